CREATE TABLE patient (
  rio_id INTEGER PRIMARY KEY, given_names TEXT, family_name TEXT,
  dob TEXT, nhs TEXT, gender TEXT, addr TEXT, pcode TEXT);
CREATE TABLE mh_referral (
  referral_id INTEGER PRIMARY KEY, rio_id INTEGER NOT NULL REFERENCES patient,
  referred TEXT NOT NULL, team TEXT NOT NULL, status TEXT NOT NULL, cpa INTEGER NOT NULL,
  s136_on TEXT, care_coordinator TEXT, coordinator_phone TEXT, risk_reviewed TEXT,
  risk_summary TEXT);
CREATE TABLE camhs_waiting (
  entry_id INTEGER PRIMARY KEY, rio_id INTEGER NOT NULL REFERENCES patient,
  referred TEXT NOT NULL, team TEXT NOT NULL, status TEXT NOT NULL,
  self_harm_flag INTEGER NOT NULL, care_plan TEXT);

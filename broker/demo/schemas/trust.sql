CREATE TABLE patient (
  hospital_no TEXT PRIMARY KEY, nhs_number TEXT, surname TEXT, forename_1 TEXT, forename_2 TEXT,
  birth_dt TEXT, sex_code INTEGER, address_line_1 TEXT, postcode TEXT);
CREATE TABLE pas_attendance (
  attendance_id INTEGER PRIMARY KEY, hospital_no TEXT NOT NULL REFERENCES patient,
  arrived_at TEXT NOT NULL, site TEXT, department TEXT, complaint_group TEXT,
  injury_flag INTEGER NOT NULL, disposal TEXT);
CREATE TABLE hv_caseload (
  contact_id INTEGER PRIMARY KEY, hospital_no TEXT NOT NULL REFERENCES patient,
  contact_at TEXT NOT NULL, contact_type TEXT NOT NULL,
  outcome TEXT NOT NULL CHECK (outcome IN ('SEEN', 'NO_ACCESS', 'WNB')), worker TEXT, summary TEXT);

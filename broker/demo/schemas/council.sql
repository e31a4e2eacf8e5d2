CREATE TABLE person (
  person_id INTEGER PRIMARY KEY, first_name TEXT, middle_names TEXT, last_name TEXT,
  known_as TEXT, former_last_name TEXT, date_of_birth TEXT, gender TEXT, nhs_no TEXT,
  address TEXT, post_code TEXT, uprn TEXT);
CREATE TABLE relationship (
  person_id INTEGER NOT NULL REFERENCES person, related_id INTEGER NOT NULL REFERENCES person,
  kind TEXT NOT NULL, pr_flag TEXT NOT NULL CHECK (pr_flag IN ('yes', 'no', 'unknown')),
  lives_with INTEGER NOT NULL, PRIMARY KEY (person_id, related_id));
CREATE TABLE involvement (
  involvement_id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES person,
  service TEXT NOT NULL CHECK (service IN ('csc', 'asc', 'eh', 'hou')), since TEXT NOT NULL,
  status TEXT NOT NULL, worker TEXT, telephone TEXT);
CREATE TABLE contact (
  contact_id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES person,
  contacted_on TEXT NOT NULL, source TEXT, reason TEXT, rag TEXT, outcome TEXT);
CREATE TABLE referral (
  referral_id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES person,
  received TEXT NOT NULL, reason TEXT, outcome TEXT);
CREATE TABLE assessment (
  assessment_id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES person,
  completed TEXT NOT NULL, kind TEXT NOT NULL, analysis TEXT);
CREATE TABLE s47 (
  s47_id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES person,
  started TEXT NOT NULL, concluded TEXT, outcome TEXT);
CREATE TABLE cp_plan (
  plan_id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES person,
  category TEXT NOT NULL, from_date TEXT NOT NULL, to_date TEXT,
  allocated_worker TEXT, worker_phone TEXT);
CREATE TABLE lac_episode (
  episode_id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES person,
  legal_status TEXT NOT NULL, from_date TEXT NOT NULL, to_date TEXT);
CREATE TABLE eha (
  eha_id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES person,
  completed TEXT NOT NULL, needs TEXT, worker TEXT, outcome TEXT);
CREATE TABLE s42_concern (
  concern_id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES person,
  raised TEXT NOT NULL, category TEXT NOT NULL, outcome TEXT);
CREATE TABLE care_package (
  package_id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES person,
  started TEXT NOT NULL, package TEXT NOT NULL, carer TEXT);
CREATE TABLE restricted_flag (
  person_id INTEGER PRIMARY KEY REFERENCES person, sealed INTEGER NOT NULL,
  safe_address INTEGER NOT NULL, since TEXT NOT NULL);
CREATE TABLE case_note (
  note_id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES person,
  noted_on TEXT NOT NULL, text TEXT NOT NULL);
CREATE TABLE tenancy (
  tenancy_id TEXT PRIMARY KEY, uprn TEXT, line TEXT NOT NULL, postcode TEXT NOT NULL,
  from_date TEXT NOT NULL, to_date TEXT, arrears_pounds INTEGER NOT NULL, notice TEXT,
  asb_reports INTEGER NOT NULL, safe_address INTEGER NOT NULL);
CREATE TABLE tenant (
  tenancy_id TEXT NOT NULL REFERENCES tenancy, person_id INTEGER NOT NULL REFERENCES person,
  PRIMARY KEY (tenancy_id, person_id));

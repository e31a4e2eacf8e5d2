CREATE TABLE nominal (
  nominal_id TEXT PRIMARY KEY, surname TEXT, forenames TEXT, alias TEXT, dob TEXT, sex TEXT,
  pnc_id TEXT, cro TEXT, warning_markers TEXT, created TEXT NOT NULL);
CREATE TABLE address_link (
  nominal_id TEXT NOT NULL REFERENCES nominal, uprn TEXT, line TEXT, postcode TEXT,
  from_date TEXT, to_date TEXT);
CREATE TABLE incident (
  inc_no TEXT PRIMARY KEY, opened_at TEXT NOT NULL, type TEXT NOT NULL, da_flag INTEGER NOT NULL,
  dash_level TEXT, dash_ticks INTEGER, location_uprn TEXT, children_present INTEGER,
  outcome TEXT, oic_contact TEXT, narrative TEXT);
CREATE TABLE involvement (
  inc_no TEXT NOT NULL REFERENCES incident, nominal_id TEXT NOT NULL REFERENCES nominal,
  role TEXT NOT NULL, PRIMARY KEY (inc_no, nominal_id));
CREATE TABLE crime (
  crime_no TEXT PRIMARY KEY, nominal_id TEXT NOT NULL REFERENCES nominal, offence TEXT NOT NULL,
  ho_code TEXT, outcome TEXT, convicted_on TEXT);
CREATE TABLE intel (
  urn TEXT PRIMARY KEY, nominal_id TEXT NOT NULL REFERENCES nominal, created TEXT NOT NULL,
  source_eval INTEGER NOT NULL CHECK (source_eval BETWEEN 1 AND 3),
  info_eval TEXT NOT NULL CHECK (info_eval IN ('A', 'B', 'C', 'D', 'E')),
  handling TEXT NOT NULL CHECK (handling IN ('P', 'C')), sanitised_text TEXT NOT NULL);
CREATE TABLE bail (
  bail_no TEXT PRIMARY KEY, nominal_id TEXT NOT NULL REFERENCES nominal,
  from_date TEXT NOT NULL, to_date TEXT, conditions TEXT NOT NULL);
CREATE TABLE missing (
  mis_no TEXT PRIMARY KEY, nominal_id TEXT NOT NULL REFERENCES nominal,
  from_at TEXT NOT NULL, to_at TEXT, risk TEXT NOT NULL);

CREATE TABLE person (
  person_id TEXT PRIMARY KEY, given_name TEXT, surname TEXT, date_of_birth TEXT, address TEXT,
  postcode TEXT, soc_sec_id TEXT, status TEXT NOT NULL, school_urn TEXT NOT NULL);

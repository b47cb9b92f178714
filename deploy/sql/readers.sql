-- The two read-only roles, for databases whose migrating role may not make roles. Run it as a role that may, once,
-- in Assay's database, after `assayd migrate`:
--   psql -v owner=assay -f deploy/sql/readers.sql "dbname=assay"
-- `owner` is the role that migrates, so that tables of later versions are readable too.
SELECT 'CREATE ROLE assay_reader NOLOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'assay_reader') \gexec
SELECT 'CREATE ROLE assay_checker NOLOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'assay_checker') \gexec

GRANT USAGE ON SCHEMA report TO assay_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA report TO assay_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA report GRANT SELECT ON TABLES TO assay_reader;

GRANT USAGE ON SCHEMA public, report TO assay_checker;
GRANT SELECT ON ALL TABLES IN SCHEMA public, report TO assay_checker;
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" GRANT SELECT ON TABLES TO assay_checker;

-- Then, for example:
--   CREATE ROLE bi LOGIN PASSWORD '...' IN ROLE assay_reader;
--   CREATE ROLE fsck LOGIN PASSWORD '...' IN ROLE assay_checker;

"""A PostgreSQL whose statements succeed and whose commits fail as on a full disk."""

_FULL = """CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = 'disk_full'; END $$"""
_AT_COMMIT = """CREATE CONSTRAINT TRIGGER full_disk AFTER UPDATE ON job DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION full_disk()"""
FULL_AT_COMMIT = (_FULL, _AT_COMMIT)
NO_MORE = "DROP FUNCTION IF EXISTS full_disk CASCADE"

#!/bin/bash
# Runs once, when Postgres makes its cluster: the schema's owner, and the application, which owns nothing.
set -euo pipefail

# psql reads the passwords itself: on its argument list every process of the container could read them.
psql --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
\set owner_password `cat /run/secrets/owner_password`
\set app_password `cat /run/secrets/app_password`
CREATE ROLE custody_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'owner_password';
CREATE ROLE custody_app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'app_password';
ALTER DATABASE custody OWNER TO custody_owner;
REVOKE ALL ON DATABASE custody FROM PUBLIC;
GRANT CONNECT ON DATABASE custody TO custody_app;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO custody_app;
SQL

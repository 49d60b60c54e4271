"""How far each platform's news is stored: cursors by platform, account and resource.

Those of before name no platform. They stay where they are, for the version before, and are copied
for the platform that their account has been at. Where it has been at several, nobody knows whose
they are: its listings of orders and returns begin a day back at each, or where the cursor stood
longer ago than that, and all else begins anew. But where doctor saw filters ignored, that holds.
"""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# The call record is looked through only where it has something to tell: it may be long. It is kept
# for 30 days, and mirrors tell of the time before.
_COPY = """
    WITH platforms AS MATERIALIZED (
        SELECT DISTINCT platform FROM app.emag_rate_limits),
    been AS MATERIALIZED (
        SELECT account, platform
          FROM (SELECT DISTINCT account FROM app.emag_cursors) AS a CROSS JOIN platforms p
         WHERE (SELECT count(*) FROM platforms) = 1
            OR EXISTS (SELECT FROM app.emag_orders m
                        WHERE m.platform = p.platform AND m.account = a.account)
            OR EXISTS (SELECT FROM app.emag_returns m
                        WHERE m.platform = p.platform AND m.account = a.account)
            OR EXISTS (SELECT FROM app.emag_issued_invoices m
                        WHERE m.platform = p.platform AND m.account = a.account)
         UNION
        SELECT account, platform FROM app.emag_api_calls
         WHERE (SELECT count(*) FROM platforms) > 1
           AND account IS NOT NULL AND platform IS NOT NULL),
    counted AS (
        SELECT account, platform, count(*) OVER (PARTITION BY account) = 1 AS is_only FROM been)
    INSERT INTO app.emag_platform_cursors (platform, account, resource, position, detail)
    SELECT b.platform, c.account, c.resource,
           CASE WHEN b.is_only THEN c.position
                ELSE least(c.position, clock_timestamp() - interval '1 day') END,
           CASE WHEN b.is_only OR c.resource = 'profile' THEN c.detail END
      FROM app.emag_cursors c JOIN counted b ON b.account = c.account
     WHERE c.account <> '' AND NOT starts_with(c.resource, 'cancellations-')
       AND (b.is_only OR starts_with(c.resource, 'orders:')
            OR starts_with(c.resource, 'returns:')
            OR c.resource = 'profile' AND c.detail->>'top_level_filters' = 'false')"""

# Whoever works with the cursors of before works with these, without being granted anything anew.
_GRANT = """
    FOR right_of IN
        SELECT a.privilege_type AS name, a.grantee::regrole::text AS role
          FROM pg_class c CROSS JOIN aclexplode(c.relacl) AS a
         WHERE c.oid = 'app.emag_cursors'::regclass AND a.grantee NOT IN (0, c.relowner)
    LOOP
        EXECUTE format('GRANT %s ON app.emag_platform_cursors TO %s', right_of.name, right_of.role);
    END LOOP"""


def upgrade() -> None:
    # All of it or nothing: what is copied once is not copied again.
    op.execute(
        f"""\
DO $emag$
DECLARE
    right_of record;
BEGIN
    IF to_regclass('app.emag_platform_cursors') IS NOT NULL THEN
        RETURN;
    END IF;
    CREATE TABLE app.emag_platform_cursors (
        platform text NOT NULL,
        account text NOT NULL,
        resource text NOT NULL,
        position timestamptz,
        detail jsonb,
        updated_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (platform, account, resource)
    );
    {_GRANT.strip()};
    {_COPY.strip()};
END $emag$"""
    )

"""SQL that changes a live ERP's tables without making it wait: short attempts, growing pauses."""

from __future__ import annotations

ATTEMPTS = 40
LOCK_TIMEOUT = "500ms"

_TEMPLATE = """\
DO $emag$
DECLARE
    done boolean := false;
    failures integer := 0;
    {declare}
BEGIN
    {before}
    LOOP
        BEGIN
            PERFORM set_config('lock_timeout', '{timeout}', true);
            {body}
            failures := 0;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            failures := failures + 1;
        END;
        COMMIT;
        EXIT WHEN done;
        IF failures >= {attempts} THEN
            RAISE lock_not_available
                USING MESSAGE = '{subject} stayed locked by other transactions';
        ELSIF failures > 0 THEN
            IF failures = 1 THEN
                RAISE WARNING '{subject} is locked by another transaction, trying again';
            END IF;
            PERFORM pg_sleep(least(0.1 * 1.3 ^ failures, 5));
        END IF;
    END LOOP;
END $emag$"""


def patiently(
    subject: str, body: str, *, declare: str = "", before: str = "", repeated: bool = False
) -> str:
    """One SQL statement that runs `body` (PL/pgSQL) in its own transaction until it gets its locks.

    An attempt waits `LOCK_TIMEOUT` for a lock, gives all its locks back and pauses, so that nobody
    queues behind it for longer; after `ATTEMPTS` failures in a row it raises, naming `subject`.
    The statement must not run inside a transaction block. `before` runs first and once, without
    patience; a `repeated` body is run again, each time in a new transaction, until it sets `done`.
    """
    if not repeated:
        body += "\n            done := true;"
    return _TEMPLATE.format(
        subject=subject,
        body=body.strip(),
        declare=declare,
        before=before,
        timeout=LOCK_TIMEOUT,
        attempts=ATTEMPTS,
    )

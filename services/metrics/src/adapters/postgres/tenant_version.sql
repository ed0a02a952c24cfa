-- The timeline is another after a promotion and after a recovery to a moment.
select h.history, left(pg_walfile_name(pg_current_wal_lsn()), 8), coalesce((
    select sum(version) from tenant_day_versions
    where tenant_id = $1 and day >= $2 and day <= $3), 0)::bigint
from answer_history h

-- The timeline is another after a promotion and after a recovery to a moment.
select h.history, left(pg_walfile_name(pg_current_wal_lsn()), 8), (coalesce((
    select sum(version) from day_versions where day >= $1 and day <= $2), 0) + coalesce((
    select sum(version) from day_versions where day = '-infinity'), 0))::bigint
from answer_history h

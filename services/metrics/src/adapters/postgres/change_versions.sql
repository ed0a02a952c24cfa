with of_all as (
    insert into day_versions as v (day, part, version)
    select day, (pg_backend_pid() % 8)::smallint, 1
    from (select distinct day from unnest($2::date[]) as b (day)) b
    order by day
    on conflict on constraint day_versions_pk do update set version = v.version + 1
)
insert into tenant_day_versions as v (tenant_id, day, version)
select tenant_id, day, 1
from (select distinct tenant_id, day from unnest($1::uuid[], $2::date[]) as b (tenant_id, day)) b
order by tenant_id, day
on conflict on constraint tenant_day_versions_pk do update set version = v.version + 1

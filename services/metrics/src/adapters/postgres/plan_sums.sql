-- A page of the sums of all tenants of a plan: whole lines, each of one bucket and event type, up to $7
-- of them and up to the line that has the rollup number $8. Lines are made of keys alone; sketches are
-- read of those on the page. `offset 0` keeps the planner from making lines of anything else.
with lines as (
    select r.start_time, t.name, r.tenant_id, r.type_id,
           dense_rank() over (order by r.start_time desc, t.name) as line
    from {tenants} p
    cross join lateral (
        select r.tenant_id, r.start_time, r.type_id from {table} r
        where r.tenant_id = p.tenant_id and r.start_time >= $2 and r.start_time < $3
          and ($4::text[] is null or r.type_id = any (p.types))
        offset 0
    ) r
    join event_types t on t.tenant_id = r.tenant_id and t.type_id = r.type_id
    where $5::timestamptz is null or r.start_time < $5 or t.name > $6::text collate "C"
), page as (
    select start_time, name, tenant_id, type_id from lines where line <= $7
    order by start_time desc, name fetch first ($8) rows with ties
)
select l.name, r.tenant_id, r.start_time, r.type_id, r.n, r.sum, r.sum_of_squares, r.min, r.max,
       r.users, r.sketch
from page l
join {table} r using (tenant_id, start_time, type_id)
order by l.start_time desc, l.name

-- Sums stand still at 1e290, as in daily.sql.
with sums as (
    select r.type_id, sum(r.n)::bigint as n,
           sum(least(greatest(r.sum, float8 '-1e290'), float8 '1e290')) as sum
    from rollup_days r
    where r.tenant_id = $1 and r.start_time >= $2 and r.start_time < $3
    group by r.type_id
)
select t.name, s.n, s.sum
from sums s
join event_types t on t.tenant_id = $1 and t.type_id = s.type_id
order by case when $4 then s.n end desc, s.sum desc, t.name
limit $5

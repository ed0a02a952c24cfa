-- The lines of one day, tenant by tenant in their order, until there are enough: a page reads the
-- rows of its own lines and no others. A tenant without events that day costs a look at the index.
-- Sums stand still at 1e290: the database would refuse to add what leaves the range of floats, and
-- values from before they were bounded must not take the report away from all.
select $3::timestamptz, p.tenant_id, d.n, d.sum
from (
    select tenant_id from tenants
    where ($1::text is null or plan = $1) and ($4::uuid is null or tenant_id > $4)
    order by tenant_id
) p
cross join lateral (
    select sum(r.n)::bigint as n,
           sum(least(greatest(r.sum, float8 '-1e290'), float8 '1e290')) as sum
    from rollup_days r
    where r.tenant_id = p.tenant_id and r.start_time = $3
      and ($2::text is null or r.type_id = (
          select t.type_id from event_types t
          where t.tenant_id = p.tenant_id and t.name = $2 collate "C"))
) d
where d.n is not null
order by p.tenant_id
limit $5

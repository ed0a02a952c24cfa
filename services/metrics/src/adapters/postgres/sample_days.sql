-- Every day that a tenant has rollups of, and every day whose raw events are here: what one side
-- lacks, the other may have.
with candidates as (
    select r.tenant_id, (r.start_time at time zone 'UTC')::date as day from rollup_days r
    where ($1::uuid is null or r.tenant_id = $1)
      and exists (
          select from event_days d where d.day = (r.start_time at time zone 'UTC')::date)
    union
    select p.tenant_id, d.day
    from tenants p cross join event_days d
    where ($1 is null or p.tenant_id = $1)
)
select tenant_id, day from candidates
where $2::date is null or day = $2
order by random()
limit $3

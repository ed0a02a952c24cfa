-- A tenant is known from its first event on, on no plan until somebody says which. Names without a number get the next ones of their tenant, up to $3; a tenant that has more names
-- gets the overflow type ($4), whose number is 0.
with fresh as (
    select n.tenant_id, n.name, row_number() over (partition by n.tenant_id order by n.name) as place
    from unnest($1::uuid[], $2::text[]) as n (tenant_id, name)
    where not exists (
        select from event_types t
        where t.tenant_id = n.tenant_id and t.name = n.name collate "C")
), numbered as (
    select f.tenant_id, f.name, f.place + coalesce((
        select max(t.type_id) from event_types t where t.tenant_id = f.tenant_id), 0) as number
    from fresh f
), known as (
    insert into tenants (tenant_id, plan)
    select distinct tenant_id, '' from fresh
    on conflict on constraint tenants_pk do nothing
)
insert into event_types (tenant_id, type_id, name)
select tenant_id, number::smallint, name from numbered where number <= $3
union all
select distinct tenant_id, 0::smallint, $4 from numbered where number > $3
on conflict on constraint event_types_pk do nothing

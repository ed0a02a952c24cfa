-- Why: the metrics service has to know the plan of each tenant. Each change of a plan counts one up,
-- and what was told last is remembered beside it: what differs has to be told.
-- Locks: tenants, exclusively, for as long as reading it takes; it has a row a tenant.

alter table tenants
    -- How often the plan changed, from 1.
    add column plan_version bigint not null default 1,
    -- Which of these the metrics service was told; 0: none.
    add column plan_told_version bigint not null default 0,
    -- When it was last told any.
    add column plan_told_at timestamptz,
    add constraint tenants_plan_versions check (plan_told_version between 0 and plan_version);

-- Whoever changes it: a gateway of the version before this one, too. The row is locked by then, so the
-- versions of a tenant are in the order of its changes.
create function tenants_plan_changed() returns trigger language plpgsql as $$
begin
    new.plan_version := old.plan_version + 1;
    return new;
end
$$;

create trigger tenants_plan_changed before update of plan on tenants
    for each row when (new.plan is distinct from old.plan)
    execute function tenants_plan_changed();

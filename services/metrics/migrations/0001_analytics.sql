-- Why: which plan a tenant is on, for reports over the tenants of a plan.
-- Locks: new objects only.

create table tenants (
    tenant_id uuid not null,
    plan text not null,
    updated_at timestamptz not null default now(),
    constraint tenants_pk primary key (tenant_id),
    constraint tenants_plan_length check (octet_length(plan) <= 64)
);

alter table tenants enable row level security;
alter table tenants force row level security;
create policy tenants_tenant on tenants to tradepost_app
    using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
create policy tenants_system on tenants to tradepost_system using (true) with check (true);

grant select on tenants to tradepost_app;
grant select, insert, update on tenants to tradepost_system;

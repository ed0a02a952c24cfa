-- Why: a tenant's table as small as can be, for the tests of this crate.
-- Locks: new objects only.
create table notes (
    tenant_id uuid not null,
    id bigint not null,
    body text not null,
    constraint notes_pk primary key (tenant_id, id),
    constraint notes_body_not_empty check (body <> '')
);

alter table notes enable row level security;
alter table notes force row level security;

create policy tenant on notes to tradepost_app
    using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
create policy system on notes to tradepost_system using (true) with check (true);

grant select, insert, update, delete on notes to tradepost_app, tradepost_system;

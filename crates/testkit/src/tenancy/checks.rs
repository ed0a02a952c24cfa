//! The single checks: a sentence and the query that finds its offenders.

/// One way in which a schema could let tenants meet.
pub(super) struct Check {
    /// What is wrong with each object that the query finds.
    pub(super) problem: &'static str,
    /// Whether the allow-list may name an exception.
    pub(super) excusable: bool,
    /// Answers with (object, table it belongs to).
    pub(super) sql: &'static str,
}

/// The tables of the application, and where their tenant column is.
pub(super) const VIEW_OF_TABLES: &str = "
    create or replace temp view app_table as
    select c.oid, c.relrowsecurity, c.relforcerowsecurity, c.relowner,
           n.nspname || '.' || c.relname as name,
           a.attnum as tenant_column, coalesce(a.attnotnull, false) as tenant_not_null
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    left join pg_attribute a
        on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
    where c.relkind in ('r', 'p')
      and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
      and c.relname <> '_sqlx_migrations'";

pub(super) const CHECKS: &[Check] = &[
    Check {
        problem: "the table has no tenant_id and is not on the allow-list",
        excusable: true,
        sql: "select name, name from app_table where tenant_column is null",
    },
    Check {
        problem: "tenant_id may be null",
        excusable: true,
        sql: "select name, name from app_table where tenant_column is not null and not tenant_not_null",
    },
    Check {
        problem: "row-level security is not enabled",
        excusable: false,
        sql: "select name, name from app_table where tenant_column is not null and not relrowsecurity",
    },
    Check {
        problem: "row-level security is not forced on the owner",
        excusable: false,
        sql: "select name, name from app_table
              where tenant_column is not null and not relforcerowsecurity",
    },
    Check {
        problem: "no policy shows tradepost_app its tenant's rows, so requests cannot use the table",
        excusable: true,
        sql: "select name, name from app_table
              where tenant_column is not null and not exists (
                  select from pg_policy
                  where polrelid = app_table.oid
                    and 'tradepost_app'::regrole = any (polroles))",
    },
    Check {
        problem: "a policy for requests does not compare with app.tenant_id in USING and WITH CHECK",
        excusable: false,
        sql: "select name || ' policy ' || polname, name
              from app_table
              join pg_policy on polrelid = app_table.oid
              where tenant_column is not null
                and ('tradepost_app'::regrole = any (polroles) or 0 = any (polroles))
                and ((polcmd <> 'a'
                      and coalesce(pg_get_expr(polqual, polrelid), '') not like '%app.tenant_id%')
                  or (polcmd in ('a', 'w', '*')
                      and coalesce(pg_get_expr(polwithcheck, polrelid), '')
                          not like '%app.tenant_id%'))",
    },
    Check {
        problem: "the index or key does not begin with tenant_id",
        excusable: true,
        sql: "select indexed.relnamespace::regnamespace || '.' || indexed.relname, name
              from app_table
              join pg_index on indrelid = app_table.oid
              join pg_class indexed on indexed.oid = indexrelid
              join pg_am on pg_am.oid = indexed.relam
              where tenant_column is not null
                and (indisunique or amname = 'btree')
                and indkey[0] <> tenant_column",
    },
    Check {
        problem: "the foreign key does not begin with tenant_id on both sides",
        excusable: true,
        sql: "select app_table.name || ' constraint ' || conname, app_table.name
              from app_table
              join pg_constraint on conrelid = app_table.oid and contype = 'f'
              join app_table target on target.oid = confrelid
              where target.tenant_column is not null
                and (conkey[1] is distinct from app_table.tenant_column
                  or confkey[1] is distinct from target.tenant_column)",
    },
    Check {
        problem: "tradepost_app may truncate the table, which no policy prevents",
        excusable: false,
        sql: "select name, name from app_table
              where has_table_privilege('tradepost_app', oid, 'truncate')",
    },
    Check {
        problem: "the view shows its owner's rows: it needs security_invoker",
        excusable: true,
        sql: "select c.relnamespace::regnamespace || '.' || c.relname, ''
              from pg_class c
              where c.relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
                and (c.relkind = 'm'
                  or c.relkind = 'v'
                     and not coalesce(c.reloptions, '{}')::text[]
                             && array['security_invoker=true', 'security_invoker=on'])",
    },
    Check {
        problem: "the function runs with its owner's rights",
        excusable: true,
        sql: "select p.pronamespace::regnamespace || '.' || p.proname, ''
              from pg_proc p
              where p.prosecdef
                and p.pronamespace::regnamespace::text !~ '^(pg_|information_schema)'",
    },
    Check {
        problem: "the role is a superuser or bypasses row-level security",
        excusable: false,
        sql: "select r.rolname::text, ''
              from pg_roles r
              where (r.rolsuper or r.rolbypassrls)
                and (r.rolname in ('tradepost_app', 'tradepost_system')
                  or exists (
                      select from pg_auth_members m
                      where m.member = r.oid
                        and m.roleid in ('tradepost_app'::regrole, 'tradepost_system'::regrole)))",
    },
    Check {
        problem: "the table belongs to a role that serves requests or consumers",
        excusable: false,
        sql: "select name, name from app_table
              where pg_has_role('tradepost_app', relowner, 'member')
                 or pg_has_role('tradepost_system', relowner, 'member')
                 or pg_has_role(relowner, 'tradepost_app', 'member')
                    and not (select rolsuper from pg_roles where oid = relowner)",
    },
    Check {
        problem: "a role for requests is also a system role or the owner of the database",
        excusable: false,
        sql: "select r.rolname::text, ''
              from pg_roles r
              where pg_has_role(r.oid, 'tradepost_app', 'member')
                and not r.rolsuper
                and (pg_has_role(r.oid, 'tradepost_system', 'member')
                  or pg_has_role(r.oid, (select datdba from pg_database
                                         where datname = current_database()), 'member'))",
    },
];

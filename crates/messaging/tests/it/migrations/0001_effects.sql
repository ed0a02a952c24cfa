-- What the handlers under test did. There is no unique key, so that a second effect would show.
create table effects (
    message_id uuid not null,
    attempt integer not null
);
grant select, insert on effects to tradepost_system;

-- Why: nodes find at their look what was read and not announced to them (ADR 42), as they find all else
-- that was committed.
-- Locks: writers of both tables wait while an index is built: it holds nothing yet, so that is as long
-- as reading the table takes. The columns cost nothing.

-- Which transaction moved the cursor last; null: none since this was added. What is told to a stream
-- leaves it alone, so that such an update stays on its page.
alter table user_streams add column read_tx bigint;
alter table members add column read_tx bigint;
create index user_streams_by_read_tx on user_streams (read_tx) where read_tx is not null;
create index members_by_read_tx on members (read_tx) where read_tx is not null;

-- Why: a parcel for which the carrier has no answer yet is stored as planned, and every write
-- counts a version, so that one of two concurrent writes loses instead of overwriting the other.
-- Locks: an exclusive one for as long as the new check reads the table; the column has a constant
-- default, so no row is rewritten.

alter table shipments add column version bigint not null default 1;
alter table shipments drop constraint shipments_state_known;
alter table shipments add constraint shipments_state_known check (state in (
    'planned', 'label_ready', 'handed_over', 'in_transit', 'out_for_delivery', 'delivered',
    'exception', 'returned_to_sender', 'lost', 'voided'));

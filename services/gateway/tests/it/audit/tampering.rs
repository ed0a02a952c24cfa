//! Whoever has the whole database changes it: the verifier names the first bad row, and a process
//! that keeps the trail notices too.

use std::process::Command;

use sqlx::{AssertSqlSafe, Executor};
use tradepost_gateway::adapters::audit_files::read_checkpoints;
use tradepost_gateway::adapters::postgres::audit::append;
use tradepost_gateway::domain::audit::{Chain, Origin, Tampering};
use tradepost_postgres::Database;

use super::support::{Keeping, Stage, a_chain, entry, rows};

async fn write(database: &Database, chain: Chain, count: usize) {
    for _ in 0..count {
        let mut tx = database.system_tx().await.unwrap();
        let origin = Origin::new(Some("203.0.113.7".parse().unwrap()), Some("curl/8"));
        let entry = entry(chain).on("order_1").from(origin);
        append(tx.conn(), &entry).await.unwrap();
        tx.commit().await.unwrap();
    }
}

/// A superuser with all triggers off.
async fn sabotage(stage: &Stage, chain: Chain, statements: &str) {
    let mut admin = stage.test_database.admin().await;
    let statements = statements.replace("$tenant", &format!("'{}'", chain.as_uuid()));
    let statements = format!("set session_replication_role = replica; {statements}");
    admin.execute(AssertSqlSafe(statements)).await.unwrap();
}

/// A chain of twelve, signed at the eighth.
async fn signed() -> (Stage, Keeping, Chain) {
    let stage = Stage::new().await;
    let keeping = Keeping::of(&stage);
    let (_, chain) = a_chain();
    write(&stage.database, chain, 8).await;
    write(&stage.database, Chain::Platform, 3).await;
    assert_eq!(keeping.keeper().await.sign_due().await.unwrap(), 2);
    write(&stage.database, chain, 4).await;
    (stage, keeping, chain)
}

async fn found(statements: &str) -> (i64, Tampering) {
    let (stage, keeping, chain) = signed().await;
    assert!(keeping.verify().await.is_good());

    sabotage(&stage, chain, statements).await;
    let report = keeping.verify().await;

    assert!(report.chains[&Chain::Platform].is_ok());
    let fault = report.chains[&chain].clone().unwrap_err();
    assert_eq!(fault.chain, chain);
    (fault.seq, fault.tampering)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_row_is_found() {
    let changed = "update audit_entries set actor = 'user_x' where tenant_id = $tenant and seq = 5";
    assert_eq!(found(changed).await, (5, Tampering::Changed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_detail_behind_the_last_checkpoint_is_found() {
    let changed = "update audit_entries set details = '{\"a\": \"b\"}'
        where tenant_id = $tenant and seq = 11";
    assert_eq!(found(changed).await, (11, Tampering::Changed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_row_is_found() {
    let deleted = "delete from audit_entries where tenant_id = $tenant and seq = 5";
    assert_eq!(found(deleted).await, (5, Tampering::Deleted));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_beginning_is_found() {
    let deleted = "delete from audit_entries where tenant_id = $tenant and seq < 4";
    assert_eq!(found(deleted).await, (1, Tampering::Deleted));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inserted_row_is_found() {
    let inserted = "insert into audit_entries
        select tenant_id, seq, recorded_at + interval '1 microsecond', 'user_x', session, action,
            object, outcome, reason, trace_id, origin_digest, details, prev, hash
        from audit_entries where tenant_id = $tenant and seq = 5";
    assert_eq!(found(inserted).await, (5, Tampering::Inserted));
}

#[tokio::test(flavor = "multi_thread")]
async fn reordered_rows_are_found() {
    let exchanged = "
        update audit_entries set seq = 100 where tenant_id = $tenant and seq = 4;
        update audit_entries set seq = 4 where tenant_id = $tenant and seq = 6;
        update audit_entries set seq = 6 where tenant_id = $tenant and seq = 100";
    assert_eq!(found(exchanged).await, (4, Tampering::Reordered));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_chain_is_found() {
    let truncated = "delete from audit_entries where tenant_id = $tenant and seq > 6;
        update audit_heads h set seq = 6, hash = e.hash
        from audit_entries e
        where e.tenant_id = h.tenant_id and e.seq = 6 and h.tenant_id = $tenant";
    assert_eq!(found(truncated).await, (7, Tampering::Truncated));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_is_gone_is_found() {
    let gone = "delete from audit_entries where tenant_id = $tenant;
        delete from audit_heads where tenant_id = $tenant";
    assert_eq!(found(gone).await, (1, Tampering::Truncated));
}

/// Whoever has the database and this code seals everything from the fourth row on anew.
async fn reseal(stage: &Stage, chain: Chain) {
    let mut admin = stage.test_database.admin().await;
    let mut sealed = rows(&mut admin, chain).await;
    sealed[3].actor = "user_x".to_owned();
    admin
        .execute("set session_replication_role = replica")
        .await
        .unwrap();
    for at in 3..sealed.len() {
        sealed[at].prev = sealed[at - 1].hash;
        sealed[at].hash = sealed[at].computed_hash();
        let row = &sealed[at];
        sqlx::query(
            "update audit_entries set actor = $3, prev = $4, hash = $5
             where tenant_id = $1 and seq = $2",
        )
        .bind(chain.as_uuid())
        .bind(row.seq)
        .bind(&row.actor)
        .bind(row.prev.as_slice())
        .bind(row.hash.as_slice())
        .execute(&mut admin)
        .await
        .unwrap();
    }
    sqlx::query("update audit_heads set hash = $2 where tenant_id = $1")
        .bind(chain.as_uuid())
        .bind(sealed.last().unwrap().hash.as_slice())
        .execute(&mut admin)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_was_sealed_anew_is_caught_by_its_checkpoint() {
    let (stage, keeping, chain) = signed().await;

    reseal(&stage, chain).await;
    let report = keeping.verify().await;

    let fault = report.chains[&chain].clone().unwrap_err();
    assert_eq!((fault.seq, fault.tampering), (1, Tampering::Resealed));
    // The process that keeps the trail does not sign it, also after a restart.
    let mut keeper = keeping.keeper().await;
    assert_eq!(keeper.sign_due().await.unwrap(), 0);
    assert_eq!(keeper.sign_due().await.unwrap(), 0);
    let text = keeping.registry.render().unwrap();
    assert!(text.contains("tradepost_audit_chains_broken 1"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_origin_breaks_nothing_and_a_changed_one_is_found() {
    let (stage, keeping, chain) = signed().await;

    let erased = "delete from audit_origins where tenant_id = $tenant and seq < 6";
    sabotage(&stage, chain, erased).await;
    assert!(keeping.verify().await.is_good());
    let changed = "update audit_origins set address = '198.51.100.1'
        where tenant_id = $tenant and seq = 7";
    sabotage(&stage, chain, changed).await;

    assert_eq!(keeping.verify().await.origins, [(chain, 7)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_between_commit_and_checkpoint_signs_after_its_restart() {
    let (stage, keeping, chain) = signed().await;
    // It died while it wrote a line, too.
    let mut files = std::fs::read_dir(&keeping.folder.0).unwrap();
    let path = files.next().unwrap().unwrap().path();
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str("{\"kind\":\"mark\",\"chain\":\"plat");
    std::fs::write(&path, text).unwrap();
    assert!(keeping.verify().await.is_good());

    assert_eq!(keeping.keeper().await.sign_due().await.unwrap(), 1);
    write(&stage.database, chain, 1).await;
    assert_eq!(keeping.keeper().await.sign_due().await.unwrap(), 1);

    let found = keeping.checkpoints().await;
    let of_chain = found.good.iter().filter(|point| point.chain == chain);
    let signed: Vec<i64> = of_chain.map(|point| point.seq).collect();
    assert_eq!(signed, [8, 12, 13]);
    assert_eq!(found.bad.len(), 1, "the line that was cut off");
    assert!(keeping.verify().await.is_good());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_another_key_signed_counts_for_nothing() {
    let (stage, keeping, _) = signed().await;
    let other = Keeping::of(&stage);

    let found = read_checkpoints(&keeping.folder.0, &[other.key().public()]).await;

    let found = found.unwrap();
    assert_eq!((found.good.len(), found.bad.len()), (0, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_verifier_is_a_command_that_needs_no_gateway() {
    let (stage, keeping, chain) = signed().await;
    let key = keeping.key().public().to_pem();
    let key = keeping.folder.write("key", key.as_bytes());
    let verify = |export: &[u8]| {
        let output = Command::new(env!("CARGO_BIN_EXE_gateway"))
            .env_clear()
            .args(["audit", "verify", "--export"])
            .arg(keeping.folder.write("export", export))
            .arg("--checkpoints")
            .arg(&keeping.folder.0)
            .arg("--public-key")
            .arg(&key)
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    };

    let export = keeping.export().await;
    let (good, said) = verify(&export);
    assert!(good, "{said}");
    assert!(said.contains(&format!("good {chain}: 12 rows")), "{said}");

    let whole = String::from_utf8(export).unwrap();
    let (cut, _end) = whole.trim_end().rsplit_once('\n').unwrap();
    let (good, said) = verify(cut.as_bytes());
    assert!(!good && said.contains("cut off"), "{said}");

    let changed = "update audit_entries set outcome = 'denied'
        where tenant_id = $tenant and seq = 3";
    sabotage(&stage, chain, changed).await;
    let (good, said) = verify(&keeping.export().await);
    assert!(!good, "{said}");
    let fault = format!("BAD  {chain}: row 3 was changed");
    assert!(said.contains(&fault), "{said}");
}

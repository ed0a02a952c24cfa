//! A service's roles and database, made as often as one likes.

use secrecy::SecretString;
use sqlx::{Connection, Executor, PgConnection};
use tradepost_postgres::provision::{Passwords, provision};
use tradepost_testkit::{TestDatabase, database};
use url::Url;

use sqlx::migrate::Migrator;

/// Quotes and a closing dollar tag: whatever does not bind properly breaks on them.
const AWKWARD: &str = r#"it's "awkward" \ $$ %I %L"#;

fn passwords(owner: &str) -> Passwords {
    let secret = |text: &str| SecretString::from(text.to_owned());
    Passwords {
        owner: secret(owner),
        app: secret("app"),
        system: secret("system"),
    }
}

async fn connect(
    admin: &Url,
    role: &str,
    password: &str,
    name: &str,
) -> sqlx::Result<PgConnection> {
    let mut url = admin.clone();
    url.set_path(name);
    url.set_username(role).unwrap();
    url.set_password(Some(password)).unwrap();
    PgConnection::connect(url.as_str()).await
}

#[tokio::test]
async fn provisioning_twice_makes_roles_that_can_do_their_work_and_no_more() {
    let test: TestDatabase = database(&Migrator::with_migrations(Vec::new()), &[]).await;
    let admin_url = test.admin_url();
    let admin = Url::parse(secrecy::ExposeSecret::expose_secret(&admin_url)).unwrap();
    // A name that needs quoting, of this test alone.
    let service = format!("prov-{}", test.name().rsplit('_').next().unwrap());

    provision(&admin_url, &service, &passwords("old"))
        .await
        .unwrap();
    provision(&admin_url, &service, &passwords(AWKWARD))
        .await
        .unwrap();

    let owner = format!("{service}_owner");
    let old = connect(&admin, &owner, "old", &service).await;
    let mut owner = connect(&admin, &owner, AWKWARD, &service).await.unwrap();
    owner.execute("create table things (id int)").await.unwrap();
    let app = format!("{service}_app");
    let mut app = connect(&admin, &app, "app", &service).await.unwrap();
    let created = app.execute("create table public.mine (id int)").await;
    let read = app.execute("select id from things").await;
    let stranger = connect(&admin, &format!("{service}_app"), "app", test.name()).await;
    owner.close().await.unwrap();
    app.close().await.unwrap();
    remove(&test, &service).await;

    assert!(old.is_err(), "the old password still works");
    assert!(created.is_err(), "the app role may create tables");
    assert!(
        read.is_err(),
        "the app role reads what no migration granted"
    );
    assert!(stranger.is_err(), "a service reaches another's database");
}

async fn remove(test: &TestDatabase, service: &str) {
    let mut admin = test.admin().await;
    let statements = [
        format!("drop database \"{service}\" with (force)"),
        format!("drop role \"{service}_owner\", \"{service}_app\", \"{service}_system\""),
    ];
    for statement in statements {
        admin.execute(sqlx::AssertSqlSafe(statement)).await.unwrap();
    }
}

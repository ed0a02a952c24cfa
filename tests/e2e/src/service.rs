//! The programs of a shop.

use std::path::PathBuf;

/// A service of the shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// What happened, and what it adds up to.
    Metrics,
    /// What people are told.
    Notification,
    /// The catalogue and the stock.
    Inventory,
    /// The money.
    Payment,
    /// The parcels.
    Shipping,
    /// The sagas.
    Order,
    /// The REST edge.
    Gateway,
}

impl Service {
    /// All, each after those it calls, and those that hear of orders before there is one.
    pub const ALL: [Self; 7] = [
        Self::Metrics,
        Self::Notification,
        Self::Inventory,
        Self::Payment,
        Self::Shipping,
        Self::Order,
        Self::Gateway,
    ];

    /// Those with a database and messages.
    pub const WITH_DATA: [Self; 6] = [
        Self::Metrics,
        Self::Notification,
        Self::Inventory,
        Self::Payment,
        Self::Shipping,
        Self::Order,
    ];

    /// The name: of its program, its folder, and in its variables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inventory => "inventory",
            Self::Payment => "payment",
            Self::Shipping => "shipping",
            Self::Order => "order",
            Self::Metrics => "metrics",
            Self::Notification => "notification",
            Self::Gateway => "gateway",
        }
    }

    /// Its program, as built beside this test.
    ///
    /// # Panics
    /// If it has not been built: a test of one package does not build the programs of others.
    #[must_use]
    pub fn program(self) -> PathBuf {
        let test = std::env::current_exe().unwrap();
        let profile = test
            .ancestors()
            .find(|dir| !dir.ends_with("deps") && dir.is_dir());
        let program = profile.unwrap().join(self.name());
        assert!(
            program.is_file(),
            "{} is not there: run `cargo build --workspace --bins` first",
            program.display()
        );
        program
    }
}

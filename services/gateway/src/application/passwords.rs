//! Hashes passwords (Argon2id), no more at once than there are cores, no more waiting than a few.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc};
use argon2::{Algorithm, Argon2, Params, Version};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::domain::password;

/// A longer text is no password of anybody, and is not even read.
const BYTES_MAX: usize = 4 * password::CHARS_MAX;

/// What a hash costs, and how many may.
#[derive(Debug, Clone, Copy)]
pub struct HashSettings {
    /// Memory of one hash.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// How many at once; none: as many as there are cores.
    pub at_once: Option<NonZeroUsize>,
    /// How many may wait.
    pub waiting_max: usize,
}

/// Why nothing was hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// Too many wait already.
    #[error("too many passwords are being checked")]
    Overloaded,
    /// The hash function failed.
    #[error("the password cannot be hashed")]
    Failed,
}

/// Makes and checks hashes of passwords.
pub struct Passwords {
    argon2: Argon2<'static>,
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
    waiting_max: usize,
    /// Of a password that nobody knows: whoever is not there is checked against it.
    dummy: String,
}

impl Passwords {
    /// Hashes at this cost.
    ///
    /// # Errors
    /// [`HashError::Failed`] for a cost that Argon2 does not know.
    pub fn new(settings: HashSettings) -> Result<Self, HashError> {
        let failed = |_fault| HashError::Failed;
        let params = Params::new(settings.memory_kib, settings.passes, 1, None).map_err(failed)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let cores = std::thread::available_parallelism().ok();
        let at_once = settings.at_once.or(cores).map_or(1, NonZeroUsize::get);
        let mut unknown = [0; 32];
        aws_lc_rs::rand::fill(&mut unknown).map_err(|_unspecified| HashError::Failed)?;
        let dummy = hash(&argon2, &unknown)?;
        Ok(Self {
            argon2,
            permits: Arc::new(Semaphore::new(at_once)),
            waiting: AtomicUsize::new(0),
            waiting_max: settings.waiting_max,
            dummy,
        })
    }

    /// The hash of a new password, as a PHC string.
    ///
    /// # Errors
    /// [`HashError`].
    pub async fn hash(&self, password: &SecretString) -> Result<String, HashError> {
        let text = Zeroizing::new(password::normal(password.expose_secret()));
        self.work(move |argon2| hash(argon2, text.as_bytes()))
            .await?
    }

    /// Whether the password is the one of that hash. Without a hash, or with a text that is no
    /// password, it takes as long and is wrong.
    ///
    /// # Errors
    /// [`HashError`].
    pub async fn verify(
        &self,
        password: &SecretString,
        known: Option<&str>,
    ) -> Result<bool, HashError> {
        let exposed = password.expose_secret();
        let is_password = exposed.len() <= BYTES_MAX;
        let text = match is_password {
            true => Zeroizing::new(password::normal(exposed)),
            false => Zeroizing::default(),
        };
        let is_known = known.is_some();
        let hash = known.unwrap_or(&self.dummy).to_owned();
        let is_right = self
            .work(move |argon2| {
                let hash = phc::PasswordHash::new(&hash).map_err(|_fault| HashError::Failed)?;
                Ok(argon2.verify_password(text.as_bytes(), &hash).is_ok())
            })
            .await??;
        Ok(is_right && is_known && is_password)
    }

    /// Runs one hash on a thread of its own, when it is its turn. Who no longer waits for its turn
    /// gives it up; a hash that has begun keeps its permit to its end, whoever waits for it.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Argon2<'static>) -> T + Send + 'static,
    ) -> Result<T, HashError> {
        let permits = Arc::clone(&self.permits);
        let permit = match Arc::clone(&permits).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_busy) => {
                let _waits = Waiting::enter(self)?;
                let turn = permits.acquire_owned().await;
                turn.map_err(|_closed| HashError::Failed)?
            }
        };
        let argon2 = self.argon2.clone();
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work(&argon2)
        });
        done.await.map_err(|_panic| HashError::Failed)
    }
}

fn hash(argon2: &Argon2<'_>, password: &[u8]) -> Result<String, HashError> {
    let hash: phc::PasswordHash = argon2
        .hash_password(password)
        .map_err(|_fault| HashError::Failed)?;
    Ok(hash.to_string())
}

/// A place in the queue.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(passwords: &'a Passwords) -> Result<Self, HashError> {
        let waiting = Self(&passwords.waiting);
        let before = passwords.waiting.fetch_add(1, Ordering::Relaxed);
        match before < passwords.waiting_max {
            true => Ok(waiting),
            false => Err(HashError::Overloaded),
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passwords(at_once: usize, waiting_max: usize) -> Passwords {
        Passwords::new(HashSettings {
            memory_kib: 64,
            passes: 1,
            at_once: NonZeroUsize::new(at_once),
            waiting_max,
        })
        .unwrap()
    }

    #[tokio::test]
    async fn a_password_fits_its_own_hash_and_no_other() {
        let passwords = passwords(1, 10);
        let right = SecretString::from("Zo\u{eb} lives here");
        let hash = passwords.hash(&right).await.unwrap();

        assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}");
        assert_eq!(passwords.verify(&right, Some(&hash)).await, Ok(true));
        let decomposed = SecretString::from("Zoe\u{308} lives here");
        assert_eq!(passwords.verify(&decomposed, Some(&hash)).await, Ok(true));
        let wrong = SecretString::from("zo\u{eb} lives here");
        assert_eq!(passwords.verify(&wrong, Some(&hash)).await, Ok(false));
        assert_eq!(passwords.verify(&right, None).await, Ok(false));
        let long = SecretString::from("x".repeat(BYTES_MAX + 1));
        assert_eq!(passwords.verify(&long, Some(&hash)).await, Ok(false));
    }

    #[tokio::test]
    async fn who_finds_the_queue_full_is_turned_away() {
        let passwords = passwords(1, 0);
        let permit = Arc::clone(&passwords.permits)
            .acquire_owned()
            .await
            .unwrap();

        let refused = passwords.verify(&"x".into(), None).await;
        drop(permit);
        let taken = passwords.verify(&"x".into(), None).await;

        assert_eq!(refused, Err(HashError::Overloaded));
        assert_eq!(taken, Ok(false));
        assert_eq!(passwords.waiting.load(Ordering::Relaxed), 0);
    }
}

//! How the calls of a destination share what it holds: its rights, its session, and the connection of the lease.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tenantry_replication::error::{DestinationError, DestinationErrorKind, DestinationResult};
#[cfg(any(feature = "postgres", feature = "snowflake"))]
use tokio::sync::{Mutex, MutexGuard};

use super::failure::{Attempt, Failure};
#[cfg(any(feature = "postgres", feature = "snowflake"))]
use super::session::{Session, Transactions};
use crate::Access;

/// Whether a destination may write, and under which lease.
pub(crate) struct Rights {
    pub(crate) access: Access,
    /// The lease that this object writes under; 0 for none.
    fence: AtomicU64,
}

impl Rights {
    pub(crate) fn new(access: Access) -> Self {
        Self { access, fence: AtomicU64::new(0) }
    }

    /// Refuses to write where it was opened to be read.
    pub(crate) fn check(&self) -> Attempt<()> {
        match self.access {
            Access::Write => Ok(()),
            Access::Read => Err(Failure::new(DestinationErrorKind::Failed, "it was opened to be read")),
        }
    }

    /// The lease that writes have to check.
    pub(crate) fn fence(&self) -> Option<u64> {
        Some(self.fence.load(Ordering::Relaxed)).filter(|token| *token > 0)
    }

    /// Writes under this lease from now on.
    pub(crate) fn set_fence(&self, token: Option<u64>) {
        self.fence.store(token.unwrap_or(0), Ordering::Relaxed);
    }
}

/// Does work to its end: also when whoever asked for it no longer waits, as half a transaction would stay, or nobody would learn what became
/// of one. What failed is turned into an error by `told`.
pub(crate) async fn to_its_end<T: Send + 'static>(
    action: String,
    work: impl Future<Output = Attempt<T>> + Send + 'static,
    told: impl FnOnce(Failure, String) -> DestinationError,
) -> DestinationResult<T> {
    match tokio::spawn(work).await {
        Ok(done) => done.map_err(|failure| told(failure, action)),
        Err(ended) => {
            let mut error =
                DestinationError::new(DestinationErrorKind::Failed, action, "the work ended in a panic");
            error.source = Some(Box::new(ended));
            Err(error)
        }
    }
}

/// What all calls share. Locks are taken in this order: session, control.
#[cfg(any(feature = "postgres", feature = "snowflake"))]
pub(crate) struct Shared<C: Transactions> {
    pub(crate) site: Arc<C::Site>,
    pub(crate) rights: Rights,
    session: Mutex<Session<C>>,
    /// The connection of the lease, once it was needed.
    control: Mutex<Option<C>>,
}

#[cfg(any(feature = "postgres", feature = "snowflake"))]
impl<C: Transactions> Shared<C> {
    pub(crate) fn new(site: C::Site, connection: C, access: Access) -> Arc<Self> {
        let site = Arc::new(site);
        Arc::new(Self {
            session: Mutex::new(Session::new(Arc::clone(&site), connection)),
            site,
            rights: Rights::new(access),
            control: Mutex::new(None),
        })
    }

    /// Does `work` with all this, to its end.
    pub(crate) async fn on<T, Work>(
        self: &Arc<Self>,
        action: impl Into<String>,
        work: impl FnOnce(Arc<Self>) -> Work,
    ) -> DestinationResult<T>
    where
        T: Send + 'static,
        Work: Future<Output = Attempt<T>> + Send + 'static,
    {
        to_its_end(action.into(), work(Arc::clone(self)), Failure::during).await
    }

    /// The session, with a connection that lives.
    pub(crate) async fn session(&self) -> Attempt<MutexGuard<'_, Session<C>>> {
        let mut session = self.session.lock().await;
        session.revive().await?;
        Ok(session)
    }

    /// The same to write what must be found there later.
    pub(crate) async fn keeper(&self) -> Attempt<MutexGuard<'_, Session<C>>> {
        self.rights.check()?;
        self.session().await
    }

    /// The connection of the lease.
    pub(crate) async fn control(&self) -> Attempt<Control<'_, C>> {
        let mut control = self.control.lock().await;
        if control.as_ref().is_none_or(C::is_closed) {
            *control = Some(C::open(&self.site).await?);
        }
        Ok(Control { connection: control })
    }
}

/// The connection of the lease, in use.
#[cfg(any(feature = "postgres", feature = "snowflake"))]
pub(crate) struct Control<'a, C> {
    connection: MutexGuard<'a, Option<C>>,
}

#[cfg(any(feature = "postgres", feature = "snowflake"))]
impl<C> Control<'_, C> {
    pub(crate) fn connection(&self) -> Attempt<&C> {
        let connection = self.connection.as_ref();
        connection.ok_or_else(|| Failure::new(DestinationErrorKind::Unavailable, "there is no connection"))
    }
}

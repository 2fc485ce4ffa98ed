//! The values in force: read at start, changed one after another, each stored before it counts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use longhaul_engine::fault::from_store;
use longhaul_jobs::carry::CopyLimits;
use longhaul_model::resource::Config;
use longhaul_model::{Fault, SlotClass};
use longhaul_store::{Store, StoreError};
use tokio::sync::{Notify, watch};

use super::{InForce, ROWS, Row};
use crate::app::App;
use crate::settings::Settings;

/// The global configurations of one server.
pub struct GlobalConfigs {
    /// What is in force where nobody chose a value.
    defaults: InForce,
    now: Mutex<Arc<InForce>>,
    copies: watch::Sender<CopyLimits>,
    upload_idle_s: Arc<AtomicU64>,
    /// Told after every change, to whom works by rounds.
    pub changed: Notify,
    /// One change at a time, so that what is stored and what is in force are of the same order.
    turn: tokio::sync::Mutex<()>,
}

impl GlobalConfigs {
    /// Those of the settings, and the values that were chosen over them. A stored value that this release
    /// does not take is left alone, and told.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn load(store: &dyn Store, settings: &Settings) -> Result<Self, StoreError> {
        let defaults = InForce::of(settings);
        let stored = store.configs().await?;
        for Config { category, name, value } in &stored {
            tracing::info!(%category, %name, %value, "a global configuration was chosen over the settings");
        }
        let now = with(&defaults, &stored, |fault| {
            tracing::warn!(%fault, "a stored global configuration is not taken; its default is in force");
        });
        Ok(Self {
            copies: watch::Sender::new(now.copy),
            upload_idle_s: Arc::new(AtomicU64::new(now.upload_idle_s)),
            defaults,
            now: Mutex::new(Arc::new(now)),
            changed: Notify::new(),
            turn: tokio::sync::Mutex::default(),
        })
    }

    /// The values of this moment.
    pub fn in_force(&self) -> Arc<InForce> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is in force where nobody chose a value.
    pub fn defaults(&self) -> &InForce {
        &self.defaults
    }

    /// The bounds of copies, also when they change.
    pub fn copy_limits(&self) -> watch::Receiver<CopyLimits> {
        self.copies.subscribe()
    }

    /// For how long uploads may be idle, in seconds, also when that changes.
    pub fn upload_idle_s(&self) -> Arc<AtomicU64> {
        self.upload_idle_s.clone()
    }

    /// Chooses a value: stored first, so that a restart keeps what was answered; then in force.
    ///
    /// # Errors
    /// SYS.1007 with the bounds; the store does not take it.
    pub async fn set(&self, app: &App, row: &Row, text: &str) -> Result<(), Fault> {
        let _turn = self.turn.lock().await;
        let mut next = (*self.in_force()).clone();
        row.put(&mut next, text)?;
        let (category, name) = (row.category.to_owned(), row.name.to_owned());
        let config = Config { category, name, value: row.text(&next) };
        app.store.put_config(config).await.map_err(|e| from_store(e, "the global configuration"))?;
        self.enforce(app, next).await
    }

    /// Gives all of them their defaults again.
    ///
    /// # Errors
    /// The store does not take it.
    pub async fn reset(&self, app: &App) -> Result<(), Fault> {
        let _turn = self.turn.lock().await;
        app.store.clear_configs().await.map_err(|e| from_store(e, "the global configurations"))?;
        self.enforce(app, self.defaults.clone()).await
    }

    /// What other nodes chose comes into force here.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn reload(&self, app: &App) -> Result<(), Fault> {
        let _turn = self.turn.lock().await;
        let stored = app.store.configs().await.map_err(|e| from_store(e, "the global configurations"))?;
        let next = with(&self.defaults, &stored, |_| ()); // told at the start
        let before = self.in_force();
        if next == *before {
            return Ok(());
        }
        self.enforce(app, next).await.inspect_err(|_| {
            // Not all of it is: the next look tries again.
            *self.now.lock().unwrap_or_else(PoisonError::into_inner) = before;
        })?;
        tracing::info!("global configurations that another node changed are in force here");
        Ok(())
    }

    async fn enforce(&self, app: &App, next: InForce) -> Result<(), Fault> {
        let next = Arc::new(next);
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = next.clone();
        self.copies.send_replace(next.copy);
        self.upload_idle_s.store(next.upload_idle_s, Ordering::Relaxed);
        app.engine.limit_running(SlotClass::BuiltIn, Some(next.max_running));
        app.engine.limit_running(SlotClass::Simulator, next.max_running_simulator);
        app.engine.set_cancel_deadline(Duration::from_secs(next.cancel_deadline_s));
        self.changed.notify_one();
        app.sessions.set_limits(next.session_timeout_s, next.sessions_max).await
    }
}

/// The defaults with what is stored over them. What this release does not take is left alone, and `told`.
fn with(defaults: &InForce, stored: &[Config], told: impl Fn(&Fault)) -> InForce {
    let mut now = defaults.clone();
    for Config { category, name, value } in stored {
        if let Err(fault) = Row::find(category, name).and_then(|row| row.put(&mut now, value)) {
            told(&fault);
        }
    }
    now
}

/// Every row with its place.
pub fn numbered() -> impl Iterator<Item = (i64, &'static Row)> {
    (1..).zip(ROWS)
}

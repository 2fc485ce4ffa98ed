//! The calls on global configurations.
//!
//! Source: rest-api.md 1.6.

use std::sync::Arc;

use longhaul_model::Fault;
use longhaul_wire::inventory::{self, GlobalConfigInventory, GlobalConfigOptions, GlobalConfigOptionsAnswer};

use super::{required, tags};
use crate::answer::Answer;
use crate::app::{App, Called};
use crate::global_config::{Bounds, InForce, Row, numbered};

/// All of them, in the order of the table.
pub fn rows(app: &App) -> Vec<GlobalConfigInventory> {
    let now = app.configs.in_force();
    numbered().map(|(id, row)| shown(app, id, row, &now)).collect()
}

fn shown(app: &App, id: i64, row: &Row, now: &InForce) -> GlobalConfigInventory {
    GlobalConfigInventory {
        id,
        name: row.name.to_owned(),
        category: row.category.to_owned(),
        description: row.meaning.to_owned(),
        default_value: row.text(app.configs.defaults()),
        value: row.text(now),
    }
}

fn row(called: &Called) -> Result<&'static Row, Fault> {
    Row::find(required(called, "category")?, required(called, "name")?)
}

pub async fn update(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let (row, value) = (row(called)?, required(called, "value")?);
    if tags::is_dry_run(called) {
        row.put(&mut (*app.configs.in_force()).clone(), value)?;
        return Ok(Answer::Empty);
    }
    app.configs.set(app, row, value).await?;
    let inventory = rows(app).into_iter().find(|r| r.category == row.category && r.name == row.name);
    Ok(inventory.map_or(Answer::Empty, |inventory| Answer::Inventory {
        class: GlobalConfigInventory::JAVA_CLASS.to_owned(),
        inventory: inventory::to_json(&inventory),
    }))
}

pub async fn reset(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    if !tags::is_dry_run(called) {
        app.configs.reset(app).await?;
    }
    Ok(Answer::Empty)
}

/// Which values it takes. A bound that no client could read as a number is left out.
pub fn options(called: &Called) -> Result<Answer, Fault> {
    let options = match row(called)?.bounds {
        Bounds::Number(low, high) | Bounds::NumberOrEmpty(low, high) => GlobalConfigOptions {
            number_greater_than_or_equal: i64::try_from(low).ok(),
            number_less_than_or_equal: i64::try_from(high).ok(),
            ..GlobalConfigOptions::default()
        },
        Bounds::OneOf(words) => GlobalConfigOptions {
            valid_value: Some(words.iter().map(ToString::to_string).collect()),
            ..GlobalConfigOptions::default()
        },
        Bounds::Flag => GlobalConfigOptions {
            valid_value: Some(vec!["true".to_owned(), "false".to_owned()]),
            ..GlobalConfigOptions::default()
        },
    };
    Ok(Answer::Json(inventory::custom(&GlobalConfigOptionsAnswer { options })))
}

//! Uploads that are not over: what a client asks for before it sends the rest of a file. How the bytes come is in
//! `crate::uploads`.

use std::sync::Arc;

use longhaul_engine::fault::from_store;
use longhaul_jobs::upload::intake::IMAGE_ID_TAG;
use longhaul_model::query::{Condition, Field, Filter, LIMIT_MAX, Op, Page, Query, Resource, Rows, Value};
use longhaul_model::{Fault, JobState};
use longhaul_wire::inventory::{UploadImageJobDetails, UploadImageJobDetailsAnswer};

use super::required;
use crate::answer::Answer;
use crate::app::{App, Called};
use crate::uploads;

/// The jobs of that file that the caller may see. One whose backup storage does not answer is passed over.
pub async fn details(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let tag = format!("{IMAGE_ID_TAG}{}", required(called, "imageId")?);
    let open = [JobState::Waiting, JobState::Running, JobState::Suspended];
    let states = open.map(|state| Value::Text(state.name().to_owned())).to_vec();
    let conditions = vec![
        Condition { field: Field::SystemTag, op: Op::Eq, values: vec![Value::Text(tag)] },
        Condition { field: Field::State, op: Op::In, values: states },
    ];
    let visible_to = (!called.identity.admin).then_some(called.identity.account);
    let query = Query {
        resource: Resource::Job,
        filter: Filter { conditions, visible_to, ..Filter::default() },
        sort: None,
        page: Page { start: 0, limit: LIMIT_MAX },
        want_rows: true,
        want_total: false,
        without_bodies: false,
    };
    let found = app.store.query(&query).await.map_err(|e| from_store(e, "the jobs"))?;
    let Rows::Jobs(jobs) = found.rows else { return Err(Fault::internal("asked for jobs")) };
    let mut existing_job_details = Vec::new();
    for job in jobs.iter().filter(|job| uploads::is_upload(job)) {
        let Ok(received) = uploads::received(app, job).await else { continue };
        existing_job_details.push(UploadImageJobDetails {
            long_job_uuid: job.id.to_string(),
            long_job_state: job.state.name().to_owned(),
            image_uuid: job.target.clone().unwrap_or_default(),
            image_upload_url: uploads::url(app, &called.host, job).await,
            offset: received.unwrap_or_default().offset,
        });
    }
    let answer = UploadImageJobDetailsAnswer { existing_job_details, success: true };
    let body = serde_json::to_string(&answer).map_err(|e| Fault::internal(e.to_string()))?;
    Ok(Answer::Json(body))
}

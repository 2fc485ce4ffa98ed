//! `job submit --from FILE`: many jobs, one on each line, sent some hundreds at a time.

use std::io::Read;

use serde_json::{Map, Value, json};

use super::counter::Counter;
use super::submit::fresh_uuid;
use crate::error::ClientError;
use crate::exit::Exit;
use crate::run::Context;

/// Jobs of one call: the API's most.
const JOBS: usize = 1000;
/// Bytes of one call's jobs; the API takes 4 MiB with what is around them.
const BYTES: usize = 3 << 20;

/// Submits the jobs in `file`.
pub async fn submit(context: &mut Context, file: &str) -> Result<Exit, ClientError> {
    let text = read(file)?;
    let jobs = jobs(file, &text)?;
    // Not "submitted": some may be there already, or be refused.
    let mut counter = Counter::new("sent", jobs.len() as u64);
    let (mut results, mut sent) = (Vec::with_capacity(jobs.len()), 0);
    while sent < jobs.len() {
        let some = &jobs[sent..sent + fitting(&jobs[sent..])];
        let bodies: Vec<&Value> = some.iter().map(|(_, job, _)| job).collect();
        let console = &mut context.console;
        let body = json!({"params": {"jobs": bodies}});
        let mut answer = match context.client.submit_many(&body, &mut |text| console.note(text)).await {
            Ok(answer) => answer,
            Err(error) => {
                context.console.note(&format!(
                    "{sent} of {} jobs were answered; the others may or may not be submitted",
                    jobs.len()
                ));
                return Err(error);
            }
        };
        let Some(Value::Array(told)) = answer.get_mut("results").map(Value::take) else {
            return Err(ClientError::bad_answer("it has no results; is this a Longhaul server?"));
        };
        if told.len() != some.len() {
            return Err(ClientError::bad_answer("it does not answer each job"));
        }
        results.extend(told);
        sent += some.len();
        counter.at(sent as u64);
    }
    drop(counter);
    conclude(context, &jobs, results)
}

type Line = (usize, Value, usize);

fn read(file: &str) -> Result<String, ClientError> {
    let mut text = String::new();
    let done = match file {
        "-" => std::io::stdin().read_to_string(&mut text),
        path => std::fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text)),
    };
    done.map_err(|e| ClientError::local(format!("{file} can not be read: {e}")))?;
    Ok(text)
}

/// The jobs with the numbers and lengths of their lines. Before anything is sent, so that a mistake in the
/// last line submits nothing.
fn jobs(file: &str, text: &str) -> Result<Vec<Line>, ClientError> {
    let mut jobs = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let bad = |why: &str| ClientError::usage(format!("{file}, line {}: {why}", number + 1));
        let mut job: Map<String, Value> = serde_json::from_str(line)
            .map_err(|e| bad(&format!("it is no JSON object with the parameters of a job: {e}")))?;
        if !job.get("jobName").is_some_and(Value::is_string) {
            return Err(bad("it has no jobName, the job type as `longhaul job types` lists them"));
        }
        // The API wants it as text.
        if let Some(data @ (Value::Object(_) | Value::Array(_))) = job.get("jobData") {
            let text = data.to_string();
            job.insert("jobData".to_owned(), Value::from(text));
        }
        if job.get("jobData").is_none_or(Value::is_null) {
            job.insert("jobData".to_owned(), Value::from("{}"));
        }
        if job.get("resourceUuid").is_none_or(Value::is_null) {
            job.insert("resourceUuid".to_owned(), Value::from(fresh_uuid()?));
        }
        let job = Value::Object(job);
        let length = job.to_string().len();
        jobs.push((number + 1, job, length));
    }
    if jobs.is_empty() {
        return Err(ClientError::usage(format!("{file} has no line with a job")));
    }
    Ok(jobs)
}

/// How many of the next jobs go into one call; one at least, whatever its length.
fn fitting(jobs: &[Line]) -> usize {
    let mut bytes = 0;
    let fits = |(_, _, length): &&Line| {
        bytes += length + 1;
        bytes <= BYTES
    };
    jobs.iter().take(JOBS).take_while(fits).count().max(1)
}

fn conclude(context: &mut Context, jobs: &[Line], results: Vec<Value>) -> Result<Exit, ClientError> {
    let of = |outcome: &str| results.iter().filter(|result| result["outcome"] == outcome).count();
    let (created, same, failed) = (of("created"), of("same"), of("failed"));
    let mut told =
        if created == 1 { "submitted 1 job".to_owned() } else { format!("submitted {created} jobs") };
    if same > 0 {
        told.push_str(&format!(", {same} {} there already", if same == 1 { "was" } else { "were" }));
    }
    if failed > 0 {
        told.push_str(&format!(", {failed} refused"));
    }
    let refused = jobs.iter().zip(&results).filter(|(_, result)| result["outcome"] == "failed");
    for ((line, _, _), result) in refused.clone() {
        let error = ClientError::of_object(&result["error"]);
        context.console.note(&format!("line {line}: {} ({})", error.details, error.code));
    }
    let first = refused.map(|(_, result)| ClientError::of_object(&result["error"]).exit()).next();
    context.console.done(&Value::Array(results), &told)?;
    Ok(first.unwrap_or(Exit::Ok))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_lengths(lengths: &[usize]) -> Vec<Line> {
        lengths.iter().map(|length| (1, Value::Null, *length)).collect()
    }

    #[test]
    fn a_call_has_as_many_jobs_as_the_api_takes_and_never_none() {
        assert_eq!(fitting(&of_lengths(&[10; 5000])), JOBS);
        assert_eq!(fitting(&of_lengths(&[1 << 20; 5])), 2);
        assert_eq!(fitting(&of_lengths(&[9 << 20, 1])), 1);
    }

    #[test]
    fn a_mistake_is_told_with_its_line_before_anything_is_sent() {
        for (text, told) in [
            ("{\"jobName\":\"A\"}\n\n[1]", "f, line 3: it is no JSON object"),
            ("{\"jobName\":\"A\"}\n{\"name\":\"x\"}", "f, line 2: it has no jobName"),
            ("\n \n", "f has no line with a job"),
        ] {
            let error = jobs("f", text).expect_err(told);
            assert!(error.details.contains(told) && error.exit() == Exit::Usage, "{error}");
        }
    }

    #[test]
    fn data_may_be_an_object_and_every_job_has_a_uuid() {
        let text = "{\"jobName\":\"A\",\"jobData\":{\"a\":1}}\n{\"jobName\":\"B\",\"resourceUuid\":\"u\"}";
        let jobs = jobs("f", text).expect("two jobs");
        assert_eq!(jobs[0].1["jobData"], "{\"a\":1}");
        assert_eq!((&jobs[1].1["jobData"], &jobs[1].1["resourceUuid"]), (&json!("{}"), &json!("u")));
        assert_eq!(jobs[0].1["resourceUuid"].as_str().map(str::len), Some(32));
    }
}

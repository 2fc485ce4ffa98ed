//! One copy in this process, with the time of each stage: for looking at its speed.
//!
//! `copy_disk <root> <source> <raw|qcow2> <target> <raw|qcow2> <streams>`

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;

use longhaul_jobs::copy::control::{Control, boottime_ns};
use longhaul_jobs::copy::run::{CopySpec, DiskRef, copy};
use longhaul_jobs::copy::{Sink, Stage};
use longhaul_jobs::storage::{DiskError, Format};

/// When each stage was first heard of, and how often checkpoints came.
struct Watch(Mutex<(Vec<(Stage, u64)>, usize)>);

impl Sink for Watch {
    fn progress(&self, stage: Stage, _: u64, _: u64) {
        let mut seen = self.0.lock().unwrap_or_else(|e| e.into_inner());
        if seen.0.last().is_none_or(|s| s.0 != stage) {
            seen.0.push((stage, boottime_ns()));
        }
    }

    fn checkpoint(&self, _: Vec<(u32, Vec<u8>)>) -> Result<(), DiskError> {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).1 += 1;
        Ok(())
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [root, source, from, target, to, streams] = args.as_slice() else { return ExitCode::FAILURE };
    let format = |f: &str| if f == "raw" { Format::Raw } else { Format::Qcow2 };
    let disk = |path: &str, f: &str| DiskRef::file(PathBuf::from(root), path, format(f));
    let watch = Watch(Mutex::new((Vec::new(), 0)));
    let begin = boottime_ns();
    let mut spec = CopySpec::new(disk(source, from), disk(target, to));
    spec.streams = streams.parse().unwrap_or(spec.streams);
    match copy(&spec, &Default::default(), &Control::new(0), &watch) {
        Ok(result) => {
            let end = boottime_ns();
            let (stages, checkpoints) = watch.0.into_inner().unwrap_or_else(|e| e.into_inner());
            for (i, (stage, at)) in stages.iter().enumerate() {
                let until = stages.get(i + 1).map_or(end, |s| s.1);
                println!("{stage:?} {} ms", (until - at) / 1_000_000);
            }
            println!("total {} ms, {checkpoints} checkpoints, {}", (end - begin) / 1_000_000, result.blake3);
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}

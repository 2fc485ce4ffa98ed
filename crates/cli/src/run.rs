//! The commands, and the way from a parsed command line to its exit code. What each group does is in its own
//! file.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::client::Client;
use crate::config::{DEFAULT_URL, Env};
use crate::console::{Console, Format};
use crate::error::ClientError;
use crate::exit::{Exit, exit_help};
use crate::human::parse_duration;
use crate::session::Sessions;
use crate::{account, completions, image, job, login, man, node, storage, volume};

/// Options of every client command.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Client options")]
pub struct Globals {
    /// The server [default: the one logged in to last, else http://127.0.0.1:8080] Also `LONGHAUL_URL`.
    #[arg(long, global = true, value_name = "URL")]
    pub url: Option<String>,
    /// How results are printed
    #[arg(short, long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,
    /// How long one request may take, as 90s or 5m [default: 30s]
    #[arg(long, global = true, value_name = "TIME", value_parser = parse_duration)]
    pub request_timeout: Option<Duration>,
}

/// A client command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Log in; the session is kept in a file that only you can read
    #[command(after_long_help = exit_help())]
    Login(login::LoginArgs),
    /// Log out: end the session and forget it
    Logout,
    /// Long jobs: submit, look, watch, wait, act
    #[command(subcommand, after_long_help = exit_help())]
    Job(job::JobCommand),
    /// Primary storages, what is on them, and their trash
    #[command(subcommand, after_long_help = exit_help())]
    Storage(storage::StorageCommand),
    /// Volumes: create, adopt, import, migrate, delete
    #[command(subcommand, after_long_help = exit_help())]
    Volume(volume::VolumeCommand),
    /// Images, and the storages that they are kept on
    #[command(subcommand, after_long_help = exit_help())]
    Image(image::ImageCommand),
    /// Accounts
    #[command(subcommand, after_long_help = exit_help())]
    Account(account::AccountCommand),
    /// Management nodes
    #[command(subcommand, after_long_help = exit_help())]
    Node(node::NodeCommand),
    /// Print completions for a shell
    Completions(completions::CompletionsArgs),
    /// Write a manual page for each command
    Man(man::ManArgs),
}

/// What a command works with.
pub(crate) struct Context {
    pub client: Client,
    pub console: Console,
    pub env: Env,
    pub sessions: Sessions,
}

/// Runs a command; `program` is the whole command line, for completions. Failures are told on stderr.
pub async fn run(globals: Globals, command: Command, program: clap::Command) -> ExitCode {
    let console = Console::of_process(globals.output);
    run_in(Env::of_process(), console, &globals, command, program).await.into()
}

/// The same in a given environment, for tests.
pub(crate) async fn run_in(
    env: Env,
    mut console: Console,
    globals: &Globals,
    command: Command,
    program: clap::Command,
) -> Exit {
    // What needs no server.
    let printed = match &command {
        Command::Completions(args) => Some(completions::print(args, program, &mut console)),
        Command::Man(args) => Some(man::write(args, program, &mut console)),
        _ => None,
    };
    if let Some(printed) = printed {
        return printed.unwrap_or_else(|error| told(&mut console, &error));
    }
    let (client, sessions) = match connect(&env, globals) {
        Ok(connected) => connected,
        Err(error) => return told(&mut console, &error),
    };
    let mut context = Context { client, console, env, sessions };
    let result = dispatch(&mut context, command).await;
    result.unwrap_or_else(|error| told(&mut context.console, &error))
}

async fn dispatch(context: &mut Context, command: Command) -> Result<Exit, ClientError> {
    if let Command::Login(args) = command {
        return login::login(context, args).await;
    }
    context.client.need_session()?;
    match command {
        Command::Logout => login::logout(context).await,
        Command::Job(command) => job::run(context, command).await,
        Command::Storage(command) => storage::run(context, command).await,
        Command::Volume(command) => volume::run(context, command).await,
        Command::Image(command) => image::run(context, command).await,
        Command::Account(command) => account::run(context, command).await,
        Command::Node(command) => node::run(context, command).await,
        Command::Login(_) | Command::Completions(_) | Command::Man(_) => Ok(Exit::Ok),
    }
}

/// The server that is meant, and the session that it gave us.
fn connect(env: &Env, globals: &Globals) -> Result<(Client, Sessions), ClientError> {
    let forced = env.token()?;
    let sessions = match Sessions::load(env) {
        // With a forced session the file is not needed.
        Err(_) if forced.is_some() => Sessions::default(),
        loaded => loaded?,
    };
    let named = globals.url.as_deref().or(env.url.as_deref());
    let url = named.or(sessions.current.as_deref()).unwrap_or(DEFAULT_URL);
    let timeout = globals.request_timeout.unwrap_or(crate::client::REQUEST_TIMEOUT);
    let mut client = Client::with_timeout(url, None, timeout)?;
    let saved = sessions.of(client.base()).map(|saved| saved.session.clone());
    client.set_token(forced.or(saved));
    Ok((client, sessions))
}

fn told(console: &mut Console, error: &ClientError) -> Exit {
    console.error(error, error.advice(), error.exit());
    error.exit()
}

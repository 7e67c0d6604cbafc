//! Why a request has no answer, in sentences. Addresses are never told, for they may be secrets.

use std::error::Error as StdError;
use std::io;

use rustls::CertificateError;

use super::client::{CONNECT_WITHIN, NoAddress};
use crate::schedule::format_duration;

/// Whom the request was for, and what this machine trusts.
#[derive(Debug)]
pub(super) struct About<'a> {
    /// The server, as sentences name it.
    pub(super) server: &'a str,
    /// Whether the machine has certificates of any authority.
    pub(super) has_roots: bool,
}

/// What became of a request that has no whole answer.
pub(super) fn sentence(error: &reqwest::Error, about: &About<'_>) -> String {
    let server = about.server;
    if error.is_timeout() && error.is_connect() {
        let limit = format_duration(CONNECT_WITHIN);
        return format!(
            "there was no connection to {server} within {limit}; is it up, and does a firewall let \
             the daemon reach it?"
        );
    }
    let mut last = None;
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(it) = next {
        if let Some(text) = known(it, about) {
            return text;
        }
        last = Some(it);
        next = within(it);
    }
    // The innermost names no address: only reqwest's own errors do.
    match last.filter(|it| !it.is::<reqwest::Error>()) {
        Some(why) => format!("the request to {server} failed: {why}"),
        None => format!("the request to {server} failed"),
    }
}

/// What an error hides. An `io::Error` passes over the very error it was made of.
fn within<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e (dyn StdError + 'static)> {
    match error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
    {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

fn known(error: &(dyn StdError + 'static), about: &About<'_>) -> Option<String> {
    let server = about.server;
    if let Some(NoAddress(why)) = error.downcast_ref() {
        return Some(format!(
            "no address of {server} was found ({why}); look at the name, and at this machine's DNS"
        ));
    }
    if let Some(why) = error.downcast_ref::<rustls::Error>() {
        return Some(of_tls(why, about));
    }
    if let Some(why) = error.downcast_ref::<hyper::Error>() {
        return of_http(why, server);
    }
    let why = error.downcast_ref::<io::Error>()?;
    Some(match why.kind() {
        io::ErrorKind::ConnectionRefused => {
            format!("{server} refused the connection; does the server run, and is the port right?")
        }
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            format!("there is no way to {server} ({why}); look at this machine's network")
        }
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => broken(server),
        _ => return None,
    })
}

fn of_http(why: &hyper::Error, server: &str) -> Option<String> {
    if why.is_parse_too_large() {
        Some(format!(
            "the headers of the answer of {server} are too large"
        ))
    } else if why.is_parse() {
        Some(format!("what {server} answered is not HTTP: {why}"))
    } else if why.is_incomplete_message() {
        Some(broken(server))
    } else {
        None
    }
}

fn broken(server: &str) -> String {
    format!(
        "{server} closed the connection before its answer was whole; it may have acted on the \
         request"
    )
}

fn of_tls(why: &rustls::Error, about: &About<'_>) -> String {
    let server = about.server;
    let rustls::Error::InvalidCertificate(why) = why else {
        return format!("no TLS connection to {server} could be made: {why}");
    };
    match why {
        CertificateError::UnknownIssuer if !about.has_roots => format!(
            "the certificate of {server} cannot be checked, as this machine has no certificates of \
             authorities; install ca-certificates and restart the daemon"
        ),
        CertificateError::UnknownIssuer => format!(
            "the certificate of {server} is not signed by an authority that this machine knows; add \
             the authority's to the system's (update-ca-certificates) and restart the daemon"
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("the certificate of {server} has expired; renew it")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("the certificate of {server} is for another name; look at the address")
        }
        // Others may tell names that a secret address holds; the redaction of reasons sees to that.
        other => format!("the certificate of {server} is not valid: {other}"),
    }
}

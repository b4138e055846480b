//! Idempotency keys: the first answer is kept and given again; another call under the same key is refused.

use serde_json::Value;

use super::{State, error::Refusal, form::Form};

/// What a key stands for. Stripe scopes keys to the account and the endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    path: String,
    form: Form,
    answer: Option<(u16, Value)>,
}

/// What to do with a call that carries a key.
#[derive(Debug)]
pub(crate) enum Begun {
    /// Run it, then [`finish`] or [`forget`] the key.
    First,
    /// Answer this again.
    Replay(u16, Value),
}

/// Claims `key` for a call.
pub(crate) fn begin(state: &mut State, key: &str, path: &str, form: &Form) -> Result<Begun, Refusal> {
    if key.len() > 255 {
        return Err(Refusal::key_reused("Idempotency keys may not be longer than 255 characters."));
    }
    let Some(kept) = state.keys.get(key) else {
        let kept = Kept { path: path.to_owned(), form: form.clone(), answer: None };
        state.keys.insert(key.to_owned(), kept);
        return Ok(Begun::First);
    };
    if kept.path != path {
        let message =
            "Keys for idempotent requests can only be used for the same endpoint they were first used for.";
        return Err(Refusal::key_reused(message));
    }
    if kept.form != *form {
        let message = "Keys for idempotent requests can only be used with the same parameters they were first used with.";
        return Err(Refusal::key_reused(message));
    }
    match &kept.answer {
        Some((status, body)) => Ok(Begun::Replay(*status, body.clone())),
        None => Err(Refusal::key_in_use()),
    }
}

/// Keeps the answer of a call that ran.
pub(crate) fn finish(state: &mut State, key: &str, status: u16, body: &Value) {
    if let Some(kept) = state.keys.get_mut(key) {
        kept.answer = Some((status, body.clone()));
    }
}

/// Frees the key of a call that never ran.
pub(crate) fn forget(state: &mut State, key: &str) {
    state.keys.remove(key);
}

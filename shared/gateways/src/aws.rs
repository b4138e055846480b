//! What a failed AWS call means, for every adapter that makes one.

use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// Refusals that pass by themselves, though their status says otherwise.
const PASSING: [&str; 7] = [
    "InternalException",
    "LimitExceededException",
    "RequestThrottled",
    "SendingPausedException",
    "ThrottlingException",
    "Throttling",
    "TooManyRequestsException",
];

/// Whether the same call may succeed later. It may also have succeeded already.
pub(crate) fn is_passing<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    match error {
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => true,
        SdkError::ServiceError(refusal) => {
            let status = refusal.raw().status();
            status.is_server_error() || status.as_u16() == 429 || is_passing_code(refusal.err().code())
        }
        // A call that was never made as it should be, and whatever the SDK may add.
        SdkError::ConstructionFailure(_) | _ => false,
    }
}

pub(crate) fn is_passing_code(code: Option<&str>) -> bool {
    code.is_some_and(|code| PASSING.contains(&code))
}

/// The messages of an error and of everything that caused it.
#[cfg(any(feature = "bus", feature = "mail"))]
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

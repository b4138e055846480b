//! Local stand-ins of the outside services.

//! Behaviour of other implementations, for those who switch over.

pub(crate) mod mcp_python_sdk;

//! Without the features `argon2` and `jwt` nothing is dear to verify.

#[derive(Clone, Debug, Default)]
pub(crate) struct Pool(());

#[derive(Clone, Copy)]
#[expect(dead_code, reason = "as with the features")]
pub(crate) struct Attempt<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) known: bool,
    pub(crate) cost: u64,
}

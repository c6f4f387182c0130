//! `#[napi]` as the addon may write it: every function, method, constructor and accessor that it exports catches its panics.
//!
//! A panic that reaches Node's frames ends the process. `napi-derive` catches one only where it is told to, so it goes by the name
//! `unguarded` in the addon's manifest, which only what this macro writes may say (the addon's build fails otherwise).

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Attribute, ImplItem, Item, Meta, Token, parse_quote};

/// Exports an item to JavaScript as `napi-derive` does, with `catch_unwind` on every function and method of it.
#[proc_macro_attribute]
pub fn napi(arguments: TokenStream, item: TokenStream) -> TokenStream {
    guarded(arguments.into(), item.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}

fn guarded(arguments: Tokens, item: Tokens) -> syn::Result<Tokens> {
    let mut arguments: Vec<Meta> =
        Punctuated::<Meta, Token![,]>::parse_terminated.parse2(arguments)?.into_iter().collect();
    let mut item: Item = syn::parse2(item)?;
    match &mut item {
        Item::Fn(_) => catch(&mut arguments),
        Item::Impl(methods) => {
            for item in &mut methods.items {
                if let ImplItem::Fn(method) = item {
                    method.attrs.iter_mut().try_for_each(catch_in)?;
                }
            }
        }
        // Nothing of ours runs in what napi writes for these.
        Item::Struct(_) | Item::Enum(_) | Item::Const(_) | Item::Type(_) => {}
        other => return Err(syn::Error::new_spanned(other, "only functions, impls and plain data are exported")),
    }
    Ok(quote!(#[::unguarded::napi(#(#arguments),*)] #item))
}

/// Adds `catch_unwind` to a method's own `#[napi]`.
fn catch_in(attribute: &mut Attribute) -> syn::Result<()> {
    if !attribute.path().is_ident("napi") {
        return Ok(());
    }
    let mut arguments: Vec<Meta> = match &attribute.meta {
        Meta::Path(_) => Vec::new(),
        _ => attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)?.into_iter().collect(),
    };
    catch(&mut arguments);
    *attribute = parse_quote!(#[napi(#(#arguments),*)]);
    Ok(())
}

fn catch(arguments: &mut Vec<Meta>) {
    if !arguments.iter().any(|argument| argument.path().is_ident("catch_unwind")) {
        arguments.push(parse_quote!(catch_unwind));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `source` becomes, without white space.
    fn written(arguments: &str, source: &str) -> String {
        let text = guarded(arguments.parse().unwrap(), source.parse().unwrap()).unwrap().to_string();
        text.split_whitespace().collect()
    }

    #[test]
    fn every_exported_function_and_method_is_caught() {
        assert!(written("", "pub fn f() {}").starts_with("#[::unguarded::napi(catch_unwind)]"));
        let named = written("js_name = \"g\", catch_unwind", "pub fn f() {}");
        assert!(named.starts_with("#[::unguarded::napi(js_name=\"g\",catch_unwind)]"), "{named}");
        let methods = written(
            "",
            "impl A { #[napi(constructor)] pub fn new() -> A { A } #[napi] pub fn f(&self) {} #[napi(setter)] pub fn s(&self) {} fn own(&self) {} }",
        );
        assert_eq!(methods.matches("catch_unwind").count(), 3, "{methods}");
        assert!(methods.contains("#[napi(constructor,catch_unwind)]"), "{methods}");
    }

    #[test]
    fn what_could_hold_functions_unseen_is_refused() {
        assert!(guarded(Tokens::new(), "mod m { #[napi] pub fn f() {} }".parse().unwrap()).is_err());
    }
}

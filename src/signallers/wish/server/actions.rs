// SPDX-License-Identifier: MPL-2.0
//! The action signals by which an application with an HTTP server of its own forwards requests: `post`, `patch` and `delete`,
//! each answered through a promise by a structure with `status`, `headers` and `body`.
//!
//! Emitted on application threads; promises are answered on threads of the runtime. Owns the arguments and the shape of
//! the reply; such a request then goes the way of all others, by `serving` and `front`.

use bytes::Bytes;
use gst::{
    glib::{
        self,
        subclass::{Signal, prelude::*},
    },
    prelude::*,
};
use http::{Method, Request, header};

use super::super::shell::Shell;
use super::protocol::Kind;
use super::response::{Response, SDP};
use super::serving::Serving;

/// The action signals of a signaller, whose server answers what is forwarded.
pub(crate) fn declare<T>() -> Vec<Signal>
where
    T: ObjectSubclass + Shell<Inside = Serving>,
{
    let text = String::static_type();
    let (bytes, promise) = (glib::Bytes::static_type(), gst::Promise::static_type());
    vec![
        action("post", &[text, bytes, promise], |args| {
            let id = args[1].get::<Option<String>>().ok()?;
            act::<T>(
                args,
                Method::POST,
                "endpoint",
                id.as_deref(),
                body(&args[2])?,
                None,
                &args[3],
            )
        }),
        action(
            "patch",
            &[text, bytes, gst::Structure::static_type(), promise],
            |args| {
                let id = args[1].get::<String>().ok()?;
                let headers = args[3].get::<Option<gst::Structure>>().ok()?;
                act::<T>(
                    args,
                    Method::PATCH,
                    "resource",
                    Some(&id),
                    body(&args[2])?,
                    headers,
                    &args[4],
                )
            },
        ),
        action("delete", &[text, promise], |args| {
            let id = args[1].get::<String>().ok()?;
            act::<T>(
                args,
                Method::DELETE,
                "resource",
                Some(&id),
                Bytes::new(),
                None,
                &args[2],
            )
        }),
    ]
}

fn action(name: &'static str, params: &[glib::Type], handler: fn(&[glib::Value]) -> Option<()>) -> Signal {
    Signal::builder(name)
        .param_types(params.iter().copied())
        .action()
        .class_handler(move |args| {
            if handler(args).is_none() {
                gst::warning!(
                    super::super::CAT,
                    "action {name} without its arguments is ignored"
                );
            }
            None
        })
        .build()
}

/// Builds the request an HTTP client would have sent, so that one set of rules serves both.
fn act<T>(
    args: &[glib::Value],
    method: Method,
    place: &str,
    id: Option<&str>,
    body: Bytes,
    headers: Option<gst::Structure>,
    promise: &glib::Value,
) -> Option<()>
where
    T: ObjectSubclass + Shell<Inside = Serving>,
{
    let signaller = args[0].get::<T::Type>().ok()?;
    let serving = T::from_obj(&signaller).inside();
    let kind = serving.kind();
    let promise = promise.get::<gst::Promise>().ok()?;
    let path = match id {
        Some(id) => format!("/{}/{place}/{id}", kind.name()),
        None => format!("/{}/{place}", kind.name()),
    };
    match request(method, &path, headers.as_deref(), body) {
        Ok(request) => serving.forward(request, move |response| {
            promise.reply(Some(reply(kind, &response)));
        }),
        // An id that cannot stand in a path is of no session.
        Err(_) => promise.reply(Some(reply(
            kind,
            &super::response::empty(http::StatusCode::NOT_FOUND),
        ))),
    }
    Some(())
}

fn body(value: &glib::Value) -> Option<Bytes> {
    let bytes = value.get::<Option<glib::Bytes>>().ok()?;
    Some(
        bytes
            .map(|bytes| Bytes::copy_from_slice(&bytes))
            .unwrap_or_default(),
    )
}

fn request(
    method: Method,
    path: &str,
    headers: Option<&gst::StructureRef>,
    body: Bytes,
) -> Result<Request<Bytes>, http::Error> {
    let mut request = Request::builder().method(method.clone()).uri(path);
    if method == Method::POST {
        request = request.header(header::CONTENT_TYPE, SDP);
    }
    for (name, value) in headers.into_iter().flat_map(|h| h.iter()) {
        if let Ok(value) = value.get::<String>() {
            request = request.header(name.as_str(), value);
        }
    }
    request.body(body)
}

/// One field per header; several links become one, separated by commas (RFC 9110, section 5.3).
fn reply(kind: Kind, response: &Response) -> gst::Structure {
    let mut headers = gst::Structure::new_empty(format!("{}-signaller/headers", kind.name()));
    for name in response.headers().keys() {
        let values = response
            .headers()
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok());
        headers.set(name.as_str(), values.collect::<Vec<_>>().join(", "));
    }
    let mut reply = gst::Structure::builder(format!("{}-signaller/response", kind.name()))
        .field("status", u32::from(response.status().as_u16()))
        .field("headers", headers)
        .build();
    if !response.body().is_empty() {
        reply.set("body", glib::Bytes::from(response.body().as_ref()));
    }
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_holds_status_headers_and_body() {
        gst::init().unwrap();
        let mut response = Response::new(Bytes::from_static(b"v=0"));
        *response.status_mut() = http::StatusCode::CREATED;
        for link in ["<stun:a>", "<stun:b>"] {
            response.headers_mut().append(header::LINK, link.parse().unwrap());
        }
        let reply = reply(Kind::Whip, &response);
        assert_eq!(reply.name(), "whip-signaller/response");
        assert_eq!(reply.get::<u32>("status").unwrap(), 201);
        assert_eq!(
            reply
                .get::<gst::Structure>("headers")
                .unwrap()
                .get::<String>("link")
                .unwrap(),
            "<stun:a>, <stun:b>"
        );
        assert_eq!(reply.get::<glib::Bytes>("body").unwrap().as_ref(), b"v=0");
    }

    #[test]
    fn a_forwarded_request_keeps_its_headers() {
        gst::init().unwrap();
        let headers = gst::Structure::builder("headers")
            .field("if-match", "\"t\"")
            .field("other", 3)
            .build();
        let request = request(Method::PATCH, "/whep/resource/a", Some(&headers), Bytes::new()).unwrap();
        assert_eq!(request.headers()[header::IF_MATCH], "\"t\"");
        assert!(request.headers().get("other").is_none());
        assert!(self::request(Method::DELETE, "/whip/resource/a b", None, Bytes::new()).is_err());
    }
}

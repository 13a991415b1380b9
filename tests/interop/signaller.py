#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""A signaller written in Python: takes over the default one of a webrtcsink by its signals.

Prints what the sink asks it to do, and exits with 0 when an offer and a candidate came for the session it asked for.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402,F401

Gst.init(None)
loop = GLib.MainLoop()
seen = set()


def step(name):
    print(name, flush=True)
    seen.add(name)
    if {"start", "offer", "candidate"} <= seen:
        GLib.idle_add(loop.quit)


def on_start(signaller):
    step("start")
    GLib.idle_add(signaller.emit, "session-requested", "session", "peer", None)
    return True


def on_description(signaller, session_id, description):
    assert session_id == "session", session_id
    assert description.type == GstWebRTC.WebRTCSDPType.OFFER, description.type
    assert "m=video" in description.sdp.as_text()
    step("offer")
    return True


def on_candidate(signaller, session_id, candidate, index, mid):
    assert candidate.startswith("candidate:") or candidate == "", candidate
    step("candidate")
    return True


def on_end(signaller, session_id):
    print("end", session_id, flush=True)
    return True


def on_message(bus, message):
    if message.type == Gst.MessageType.ERROR:
        print(message.parse_error(), file=sys.stderr)
        sys.exit(1)


pipeline = Gst.parse_launch("videotestsrc is-live=true ! webrtcsink name=sink video-caps=video/x-vp8")
signaller = pipeline.get_by_name("sink").get_property("signaller")
signaller.connect("start", on_start)
signaller.connect("stop", lambda signaller: True)
signaller.connect("send-session-description", on_description)
signaller.connect("send-ice", on_candidate)
signaller.connect("end-session", on_end)
pipeline.get_bus().add_signal_watch()
pipeline.get_bus().connect("message", on_message)
GLib.timeout_add_seconds(60, lambda: sys.exit("not everything came in time"))
pipeline.set_state(Gst.State.PLAYING)
loop.run()
pipeline.set_state(Gst.State.NULL)

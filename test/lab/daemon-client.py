"""A program beside a real heartbeat daemon, on heartbeat's own client library: signs on as `hot-standby`, sends a numbered
message to PEER for each line it reads, in order (`oseq`), and writes what it receives, as the library delivers it.

usage: daemon-client.py PEER
"""
import ctypes
import json
import select
import sys
import time

peer = sys.argv[1].encode()
plumb = ctypes.CDLL("libplumb.so.2", mode=ctypes.RTLD_GLOBAL)
library = ctypes.CDLL("libhbclient.so.1")
HA_OK = 1

# hb_api.h: a cluster is its private part and a table of functions; these are their places in the table.
SIGNON, SIGNOFF, SEND_ORDERED, INPUTFD, READMSG, ERRMSG = 0, 1, 26, 27, 32, 42


class Cluster(ctypes.Structure):
    _fields_ = [("private", ctypes.c_void_p), ("functions", ctypes.POINTER(ctypes.c_void_p))]


library.ll_cluster_new.restype = ctypes.POINTER(Cluster)
plumb.ha_msg_new.restype = ctypes.c_void_p
plumb.ha_msg_add.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p]
plumb.ha_msg_addbin.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t]
plumb.cl_get_string.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
plumb.cl_get_string.restype = ctypes.c_char_p
plumb.cl_get_binary.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(ctypes.c_size_t)]
plumb.cl_get_binary.restype = ctypes.c_void_p
plumb.ha_msg_del.argtypes = [ctypes.c_void_p]


def say(**line):
    print(json.dumps(line), flush=True)


def function(place, result, *arguments):
    return ctypes.CFUNCTYPE(result, *arguments)(cluster.contents.functions[place])


handle = ctypes.POINTER(Cluster)
deadline = time.monotonic() + 30
while True:
    # The daemon opens its socket when it is active.
    cluster = library.ll_cluster_new(b"heartbeat")
    if function(SIGNON, ctypes.c_int, handle, ctypes.c_char_p)(cluster, b"hot-standby") == HA_OK:
        break
    if time.monotonic() > deadline:
        sys.exit("signon: " + function(ERRMSG, ctypes.c_char_p, handle)(cluster).decode())
    time.sleep(0.2)

send_ordered = function(SEND_ORDERED, ctypes.c_int, handle, ctypes.c_void_p, ctypes.c_char_p)
read = function(READMSG, ctypes.c_void_p, handle, ctypes.c_int)
channel = function(INPUTFD, ctypes.c_int, handle)(cluster)
say(event="signed on")


def send(text):
    message = plumb.ha_msg_new(8)
    plumb.ha_msg_add(message, b"t", b"hs-message")
    plumb.ha_msg_addbin(message, b"payload", text, len(text))
    if send_ordered(cluster, message, peer) != HA_OK:
        sys.exit("send_ordered_nodemsg failed")
    plumb.ha_msg_del(message)


def receive(message):
    if plumb.cl_get_string(message, b"t") == b"hs-message" and plumb.cl_get_string(message, b"src") == peer:
        length = ctypes.c_size_t()
        payload = plumb.cl_get_binary(message, b"payload", ctypes.byref(length))
        say(message=ctypes.string_at(payload, length.value).decode())
    plumb.ha_msg_del(message)


lines = b""
while True:
    # What the library holds back becomes ready without anything new on the channel.
    while message := read(cluster, 0):
        receive(message)
    ready, _, _ = select.select([sys.stdin, channel], [], [], 0.1)
    if sys.stdin in ready:
        chunk = sys.stdin.buffer.raw.read(65536)
        if not chunk:
            break
        *whole, lines = (lines + chunk).split(b"\n")
        for line in whole:
            send(line)
function(SIGNOFF, ctypes.c_int, handle, ctypes.c_int)(cluster, 1)

#!/usr/bin/env python3
"""tests/e2e/pprof_server.py - a server of profiles that answers well and badly, for url.sh.

usage: pprof_server.py DIR [SOCKET]: files of DIR under their names, on a port of 127.0.0.1 (written to ./port) or a unix
socket.  Other paths name what goes wrong.  ./requests gets a line per request: METHOD TARGET USER."""
import base64
import gzip
import http.server
import os
import socketserver
import sys
import time


def read(name):
    with open(os.path.join(sys.argv[1], name), "rb") as f:
        return f.read()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self):
        return "?"

    def log_message(self, *_):
        user = self.headers.get("Authorization") or "Basic "
        with open("requests", "a", encoding="ascii") as f:
            print(self.command, self.path, base64.b64decode(user[6:]).decode(), file=f)

    def give(self, code, body=b"", reason=None, length=None, **headers):
        self.send_response(code, reason)
        for k, v in headers.items():
            self.send_header(k.replace("_", "-"), v)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        path = self.path.split("?")[0]
        if path in ("/debug/pprof/heap", "/debug/pprof/profile", "/pid/7/debug/pprof/heap"):
            self.give(200, read("basic.pb.gz"))
        elif path == "/why":
            self.give(500, b"because of\nthat\n", "Oh No", X_Go_Pprof="1", Content_Type="text/plain; charset=utf-8")
        elif path == "/html":
            self.give(500, b"<html>", X_Go_Pprof="1", Content_Type="text/html")
        elif path == "/cut":
            self.give(200, read("basic.pb.gz")[:100])
        elif path == "/short":
            self.give(200, read("basic.pb.gz"), length=50000)
            self.close_connection = True
        elif path == "/redirect":
            self.give(302, b"there", Location="/basic.pb.gz")
        elif path == "/round":
            self.give(302, b"here", Location="/round")
        elif path == "/elsewhere":
            self.give(302, b"there", Location="file://" + os.path.realpath(sys.argv[1]) + "/basic.pb.gz")
        elif path == "/gzipped":
            self.give(200, gzip.compress(read("basic.pb.gz")), Content_Encoding="gzip")
        elif path == "/never":
            time.sleep(600)
        elif os.path.basename(path) in os.listdir(sys.argv[1]) and path.count("/") == 1:
            self.give(200, read(path[1:]))
        else:
            self.give(404, b"nothing here\n", "Nowhere")


class Unix(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


if len(sys.argv) > 2:
    server = Unix(sys.argv[2], Handler)
else:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    with open("port.new", "w", encoding="ascii") as f:
        print(server.server_port, file=f)
    os.rename("port.new", "port")
server.serve_forever()

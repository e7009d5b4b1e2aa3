"""File transfer as many tutorials show it: a line with the command, then the bytes, recv(1024) in a loop.

tutorial.py serve HOST PORT DIRECTORY
tutorial.py get HOST PORT REMOTE LOCAL
tutorial.py put HOST PORT LOCAL REMOTE
"""

import os
import socket
import sys
import threading

BUFFER = 1024


def send_file(sock, path):
    with open(path, "rb") as file:
        while data := file.read(BUFFER):
            sock.sendall(data)


def receive_file(sock, path):
    with open(path, "wb") as file:
        while data := sock.recv(BUFFER):
            file.write(data)


def answer(sock, directory):
    with sock:
        line = b""
        while not line.endswith(b"\n"):
            byte = sock.recv(1)
            if not byte:
                return
            line += byte
        command, name = line.decode().rstrip("\n").split(" ", 1)
        path = os.path.join(directory, name)
        if command == "get":
            send_file(sock, path)
        else:
            receive_file(sock, path)
            sock.sendall(b"ok")


def serve(host, port, directory):
    with socket.create_server((host, port), backlog=128) as listener:
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=answer, args=(sock, directory), daemon=True).start()


def main(command, host, port, *rest):
    if command == "serve":
        serve(host, int(port), *rest)
    with socket.create_connection((host, int(port))) as sock:
        if command == "get":
            remote, local = rest
            sock.sendall(f"get {remote}\n".encode())
            receive_file(sock, local)
        else:
            local, remote = rest
            sock.sendall(f"put {remote}\n".encode())
            send_file(sock, local)
            sock.shutdown(socket.SHUT_WR)
            if sock.recv(BUFFER) != b"ok":
                sys.exit("the server did not take it")


main(*sys.argv[1:])

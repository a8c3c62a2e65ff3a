"""A file that everybody on the host may read, by calls that a shell has no word for."""
import ctypes
import os

path = os.environ["CANARY"]
libc = ctypes.CDLL(None, use_errno=True)


def through_a_path_handle():
    return os.open(f"/proc/self/fd/{os.open(path, os.O_PATH)}", os.O_RDONLY)


def through_a_folder_handle():
    folder = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY)
    return os.open(os.path.basename(path), os.O_RDONLY, dir_fd=folder)


def by_moving_there():
    os.chdir(os.path.dirname(path))
    return os.open(os.path.basename(path), os.O_RDONLY)


def by_execution():
    # Its interpreter line names a program that prints it.
    os.dup2(1, 2)
    pid = os.posix_spawn(path, [path], os.environ)
    os.waitpid(pid, 0)
    raise OSError


for way in [lambda: os.open(path, os.O_RDONLY), through_a_path_handle, through_a_folder_handle, by_moving_there, by_execution]:
    try:
        print(os.read(way(), 200).decode(), flush=True)
    except OSError:
        pass
print("TRIED")

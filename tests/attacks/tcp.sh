#!/bin/bash
# A listener on the host's loopback.
(exec 3<> "/dev/tcp/127.0.0.1/$TCP_PORT" && echo "$TOKEN" >&3) 2>/dev/null
(exec 3<> "/dev/tcp/::1/$TCP6_PORT" && echo "$TOKEN" >&3) 2>/dev/null
echo TRIED

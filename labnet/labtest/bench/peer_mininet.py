# N hosts on five Linux bridges, started and stopped; prints the seconds of both
# as JSON. Hosts share the file system and all processes: Mininet isolates the
# network only.
import json
import sys
import time

from mininet.net import Mininet
from mininet.nodelib import LinuxBridge

SEGMENTS = 5
nodes = int(sys.argv[1])


def available():
    with open("/proc/meminfo") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("MemAvailable"))


free = available()
begin = time.monotonic()
net = Mininet(controller=None, switch=LinuxBridge, build=False, autoSetMacs=True)
switches = [net.addSwitch("s%d" % (i + 1)) for i in range(SEGMENTS)]
for i in range(nodes):
    host = net.addHost("h%d" % i, ip="10.66.%d.%d/24" % (i % SEGMENTS, i // SEGMENTS + 1))
    net.addLink(host, switches[i % SEGMENTS])
net.build()
net.start()
up = time.monotonic() - begin
# Nobody listens there: a refusal has come from the other host.
answer = net.get("h0").cmd("timeout 5 bash -c '</dev/tcp/10.66.0.2/9' 2>&1")
time.sleep(2)
used = free - available()
begin = time.monotonic()
net.stop()
print(json.dumps({"up": up, "down": time.monotonic() - begin, "memory": used, "reached": "refused" in answer}))

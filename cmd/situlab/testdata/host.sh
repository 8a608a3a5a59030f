# Read by a shell in a mount namespace of its own (unshare -m sh SCRIPT): the
# limits of the kernel become plain files, $WORK/KEY, so that the host's own are
# neither read nor touched. Call "play" with a command line of situlab: the
# place is compared before and after, and the exit code is that of situlab.
set -eu
mkdir -p "$SITULAB_HOME/labs"
for key in fs.inotify.max_user_instances fs.inotify.max_user_watches kernel.keys.maxkeys kernel.pty.max net.unix.max_dgram_qlen; do
	[ -e "$WORK/$key" ] || echo 1000000 >"$WORK/$key"
	mount --bind "$WORK/$key" "/proc/sys/$(echo $key | tr . /)"
done

# frozen KEY: a limit that cannot be raised.
frozen() { mount -o remount,bind,ro "/proc/sys/$(echo "$1" | tr . /)"; }

place() {
	# Not the mounts of others: they come and go.
	grep -e "$WORK" -e "$RUNDIR" -e ' /mnt' /proc/self/mountinfo || true
	# The tree of the images is somebody else's and large.
	find "$SITULAB_HOME" "$SITULAB_RUN" /mnt -path '*/images/*' -prune -o -print 2>/dev/null || true
	grep -H . "$WORK"/*.max_* "$WORK"/kernel.*
}

play() {
	place >"$WORK/before"
	code=0
	situlab "$@" 2>"$WORK/said" || code=$?
	# The golden messages are the same on every host.
	# The nodes of others' labs count for the limits.
	sed -e "s#$WORK#WORK#g" -e "s/$LAB/LAB/g" -e 's/ for [0-9]* nodes/ for N nodes/' -e 's/ pour [0-9]* nœuds/ pour N nœuds/' -e 's/\(sysctl -w [a-z_.]*\)=[0-9]*)/\1=N)/' "$WORK/said" >&2
	place >"$WORK/after"
	diff "$WORK/before" "$WORK/after" >&2 || echo "THE PLACE HAS CHANGED" >&2
	exit $code
}

#!/bin/bash
# nchan in Debian's nginx, with Redis: one server, whose one worker has the subscribers, and another
# that only publishes, so that what publishing costs is not counted.
# usage: fanout_nchan.sh HOST:PORT KEEP, in a folder that is its own; ends when standard input does
set -eu
redis=$1 keep=$2
module=/usr/lib/nginx/modules/ngx_nchan_module.so

make_configuration() { # NAME PORT
  cat <<END
load_module $module;
daemon off;
worker_processes 1;
worker_rlimit_nofile $(ulimit -Hn);
pid $PWD/$1.pid;
error_log $PWD/$1.log warn;
events { use epoll; worker_connections 16000; }
http {
  access_log off;
  client_body_temp_path $PWD/$1.body;
  proxy_temp_path $PWD/$1.proxy;
  fastcgi_temp_path $PWD/$1.fastcgi;
  uwsgi_temp_path $PWD/$1.uwsgi;
  scgi_temp_path $PWD/$1.scgi;
  keepalive_requests 100000000;
  nchan_message_buffer_length $keep;
  nchan_shared_memory_size 256M;
  upstream redis { nchan_redis_server "redis://$redis"; }
  server {
    listen 127.0.0.1:$2 backlog=1024;
    location ~ ^/sub/(.+)\$ { nchan_subscriber websocket; nchan_channel_id \$1; nchan_redis_pass redis; }
    location ~ ^/pub/(.+)\$ { nchan_publisher http; nchan_channel_id \$1; nchan_redis_pass redis; }
  }
}
END
}

is_up() { # NAME: its worker is there
  [ -s "$1.pid" ] && read -r master <"$1.pid" && [ -n "$(cat "/proc/$master/task/$master/children" 2>/dev/null)" ]
}

# nginx cannot listen on any free port: tries some. Sets port, master and worker.
start() { # NAME
  for port in $(shuf -n 20 -i 20000-32000); do
    make_configuration "$1" "$port" >"$1.conf"
    nginx -p "$PWD" -c "$PWD/$1.conf" -e "$PWD/$1.log" </dev/null >"$1.out" 2>&1 &
    started="$started $!"
    for _ in $(seq 100); do
      if is_up "$1"; then
        worker=$(tr -d ' ' <"/proc/$master/task/$master/children")
        return
      fi
      kill -0 $! 2>/dev/null || break
      sleep 0.05
    done
  done
  cat "$1.log" "$1.out" >&2
  exit 1
}

started=
trap 'kill $started 2>/dev/null; wait' EXIT
start publish
publisher=$port
start subscribe
version=$(nginx -v 2>&1)
nchan=$(dpkg-query -W -f '${Version}' libnginx-mod-nchan 2>/dev/null | sed 's/^[0-9]*://; s/[-+].*//' || true)
echo "ready $master,$worker $port publisher=127.0.0.1:$publisher nchan $nchan, ${version##* }"
cat >/dev/null

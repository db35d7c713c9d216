import type { Host } from './host.ts'

export interface NginxOptions {
  /** What it listens on: `0.0.0.0:80`, or the floating address where it may start only with that. */
  readonly listen: string
  /** Default `/etc/nginx/nginx.conf`, where Debian's nginx looks for it. */
  readonly file?: string
  /** Default `/run/nginx.pid`. */
  readonly pidFile?: string
}

/**
 * Writes a host's nginx configuration and its page, `page of HOST`. nginx is not started. Everything lies in the host's
 * own /etc, /var and /run; the page is readable for the worker's user, whom Debian calls www-data.
 */
export const nginxConfig = async (host: Host, options: NginxOptions): Promise<string> => {
  const { listen, file = '/etc/nginx/nginx.conf', pidFile = '/run/nginx.pid' } = options
  await host.run(['install', '-d', '/var/log/nginx', '/var/lib/nginx', '/var/www'])
  await host.write('/var/www/index.html', `page of ${host.name}\n`)
  // Something that takes long: 8 MB at 50 kB a second.
  await host.run(['truncate', '-s', '8M', '/var/www/long'])
  await host.write(
    file,
    `user www-data;
worker_processes 1;
pid ${pidFile};
error_log /var/log/nginx/error.log;
events { worker_connections 1024; }
http {
  access_log off;
  default_type text/plain;
  client_body_temp_path /var/lib/nginx/body;
  proxy_temp_path /var/lib/nginx/proxy;
  fastcgi_temp_path /var/lib/nginx/fastcgi;
  uwsgi_temp_path /var/lib/nginx/uwsgi;
  scgi_temp_path /var/lib/nginx/scgi;
  server {
    listen ${listen};
    root /var/www;
    keepalive_requests 1000000;
    location /long {
      limit_rate 50k;
    }
  }
}
`,
  )
  return file
}

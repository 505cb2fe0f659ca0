"""The DNS providers that the DNS library can write to without further packages; a test compares them with it."""

_NAMES = """
aliyun arvancloud aurora azure cloudflare cloudns cloudxns conoha constellix ddns desec devnomads digitalocean
dinahosting directadmin dnsimple dnsmadeeasy dnspark dnspod dnsservices dreamhost duckdns dynu easydns
easyname euserv exoscale flexibleengine gandi gehirn glesys godaddy googleclouddns gratisdns henet hetzner
hostingde hover httpnet infoblox infomaniak internetbs inwx ionos joker linode linode4 luadns memset misaka
mythicbeasts namecheap namecom namesilo netcup nfsn njalla nsone onapp online ovh plesk pointhq porkbun
powerdns rackspace rage4 rcodezero regfish safedns sakuracloud scaleway timeweb transip ultradns valuedomain
vercel vultr wedos yandex yandexcloud zeit zilore zonomi
"""
PROVIDERS: tuple[str, ...] = tuple(_NAMES.split())

-- Certificates made for a spec by the openssl program, as PEM files in a scratch folder.
--
--   local certificates = require "spec.support.certificates"
--   local pem = certificates.make()
--   pem.ca, pem.other_ca          a CA's certificate; one of a CA that signed none of these
--   pem.server                    for localhost, 127.0.0.1 and ::1, by pem.ca
--   pem.expired, pem.early        the same, of 2020; of 2090
--   pem.elsewhere                 for redis.example and 192.0.2.1, by pem.ca
--   pem.self_signed               for localhost, by itself
--   pem.key                       the private key of all those of servers
--   pem.client, pem.client_key    of a client, by pem.ca; pem.client_both: in one file
--   pem.locked_key                pem.client_key under a passphrase
--   pem.ca_dir                    a folder with pem.ca as `openssl rehash` prepares it
--   pem.folder
local scratch = require "spec.support.scratch"

local certificates = {}

local CONFIG = [[
[ca]
default_ca = settings
[settings]
database = index
serial = serial
new_certs_dir = .
policy = policy
default_md = sha256
unique_subject = no
[policy]
commonName = supplied
[here]
subjectAltName = DNS:localhost,IP:127.0.0.1,IP:::1
[elsewhere]
subjectAltName = DNS:redis.example,IP:192.0.2.1
]]

-- Years far from the specs' own: openssl before 3.4 signs with dates of one's choice only as a CA.
local SCRIPT = [[
set -e
new="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
: > index; echo 01 > serial
openssl req -x509 $new -keyout ca.key -out ca.pem -subj "/CN=Pool CA" -days 30
openssl req -x509 $new -keyout other.key -out other_ca.pem -subj "/CN=Other CA" -days 30
openssl req $new -keyout server.key -out server.csr -subj "/CN=pool"
openssl req -x509 -key server.key -out self_signed.pem -subj "/CN=pool" -days 30 \
  -addext subjectAltName=DNS:localhost
openssl req $new -keyout client.key -out client.csr -subj "/CN=ann"
openssl pkey -in client.key -aes256 -passout pass:ebb -out locked.key
sign() { # sign NAME REQUEST EXTENSIONS FROM-YEAR TO-YEAR
  openssl ca -batch -config ca.cnf -cert ca.pem -keyfile ca.key -in "$2" -out "$1.pem" -notext \
    $3 -startdate "${4}0101000000Z" -enddate "${5}0101000000Z"
}
sign server server.csr "-extensions here" 2020 2090
sign expired server.csr "-extensions here" 2020 2021
sign early server.csr "-extensions here" 2090 2091
sign elsewhere server.csr "-extensions elsewhere" 2020 2090
sign client client.csr "" 2020 2090
cat client.pem client.key > both.pem
mkdir ca_dir; cp ca.pem ca_dir; openssl rehash ca_dir
]]

function certificates.make()
  local folder = scratch.folder()
  scratch.write(folder .. "/ca.cnf", CONFIG)
  scratch.write(folder .. "/make.sh", SCRIPT)
  local log, status = scratch.shell(("cd %s && sh make.sh 2>&1"):format(scratch.quote(folder)))
  assert(status == 0, log)
  local pem = { folder = folder, ca_dir = folder .. "/ca_dir", key = folder .. "/server.key",
    client_key = folder .. "/client.key", client_both = folder .. "/both.pem",
    locked_key = folder .. "/locked.key" }
  for _, name in ipairs { "ca", "other_ca", "server", "expired", "early", "elsewhere",
    "self_signed", "client" } do
    pem[name] = ("%s/%s.pem"):format(folder, name)
  end
  return pem
end

return certificates

<?php
// SimpleSAMLphp as an identity provider for one test. What differs between runs
// comes from the environment: IDP_URL is where it listens, IDP_DIR a folder of
// its own with the key idp.key and the certificate idp.crt, SP_METADATA the file
// with the metadata of the service provider.
$dir = getenv('IDP_DIR');
$config = [
    'baseurlpath' => getenv('IDP_URL') . '/',
    'certdir' => $dir . '/',
    'loggingdir' => $dir . '/',
    'datadir' => $dir . '/',
    'tempdir' => $dir . '/tmp',
    'metadatadir' => __DIR__ . '/metadata/',
    'attributenamemapdir' => '/etc/simplesamlphp/attributemap/',
    'secretsalt' => 'only-for-the-test-0123456789',
    'auth.adminpassword' => bin2hex(random_bytes(16)),
    'timezone' => 'UTC',
    'showerrors' => true,
    'logging.level' => SimpleSAML\Logger::NOTICE,
    'logging.handler' => 'file',
    'logging.logfile' => 'idp.log',
    'enable.saml20-idp' => true,
    'module.enable' => ['exampleauth' => true, 'core' => true, 'saml' => true],
    'session.cookie.secure' => false,
    'session.cookie.samesite' => null,
    'session.phpsession.savepath' => $dir,
    'store.type' => 'phpsession',
    'language.available' => ['en'],
    'language.default' => 'en',
    'metadata.sources' => [['type' => 'flatfile']],
    'metadata.sign.enable' => true,
    'metadata.sign.privatekey' => 'idp.key',
    'metadata.sign.certificate' => 'idp.crt',
];
